"""How the files of a folder run are restored: everything but the files."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from restore.jobs.clip_job import ClipJob
from restore.jobs.clip_options import ClipOptions
from restore.jobs.clip_work_folder import ResumePolicy
from restore.jobs.file_stages import JobCallbacks, MovingWork, OutputPolicy, ResultRecord, Stages
from restore.jobs.job_restorer import Used, open_restorer, stamp_of, used
from restore.jobs.outcome import Outcome
from restore.jobs.result_keys import folder_key
from restore.media.io_options import IoOptions
from restore.media.stamp import stamped
from restore.media.video.detect import is_clip

if TYPE_CHECKING:
    from restore.engine.restorer import Restorer
    from restore.jobs.job_restorer import Head
    from restore.media.picture import Picture


@dataclass(frozen=True)
class FolderWork:
    """Can be pickled if ``head`` is a name.

    ``head``: a head's name, loaded with ``options`` (those of `Restorer`), or a `Restorer`.
    ``chosen``, ``moving``: options of pictures, and of clips and animations.
    """

    head: Head
    options: dict[str, Any]
    chosen: IoOptions
    moving: ClipOptions
    policy: OutputPolicy

    def load(self, workers: int = 1, processes: int = 1) -> LoadedWork:
        """Load the model. The arguments are those of `open_restorer`, which states the errors."""
        return LoadedWork(self, open_restorer(self.head, self.options, workers, processes))

    def wanted(self, source: Path) -> ClipOptions:
        """The options of clips that have an effect on a file: an animation has no encoder."""
        return self.moving if is_clip(source) else ClipOptions(temporal=self.moving.temporal)

    def moving_key(self, source: Path) -> dict[str, Any]:
        """Return the options that decide the result for a clip or an animation, besides those of
        pictures."""
        return {"moving": True} | changed_options(self.wanted(source))


@dataclass(frozen=True)
class LoadedWork:
    """The same, with the model."""

    work: FolderWork
    restorer: Restorer

    @property
    def key(self) -> dict[str, Any]:
        """Everything besides a picture that decides its result."""
        return folder_key(self.restorer, self.work.options) | self.work.chosen.key()

    @property
    def used(self) -> Used:
        """Model, device, precision and backend."""
        return used(self.restorer)

    def stages(
        self, manifest: ResultRecord, calls: JobCallbacks, full: threading.Event | None = None
    ) -> Stages:
        """Return what is done to each file. ``full``: set once the disk is full."""
        return Stages(
            self.restorer,
            manifest,
            self.key,
            by_rows=self.restorer.by_rows,
            moving=MovingWork(self._restore_moving, self.work.moving_key),
            open_picture=self._opening(),
            policy=self.work.policy,
            calls=calls,
            full=full or threading.Event(),
        )

    def _opening(self) -> Callable[..., Picture]:
        words = stamp_of(self.restorer)
        read = self.work.chosen.read
        return lambda *place, **rest: stamped(read(*place, **rest), words)

    def _restore_moving(self, source: Path, target: Path, overwrite: bool, **rest: Any) -> Outcome:
        # An interrupted clip is always resumed, as a folder run itself is.
        policy = ResumePolicy(resume=True, overwrite=overwrite, or_restart=True)
        wanted = self.work.wanted(source)
        job = ClipJob(source, target, self.restorer, wanted, policy, self.work.options, **rest)
        return job.run()


def changed_options(wanted: ClipOptions) -> dict[str, Any]:
    """Return options other than their defaults: results made before an option existed stay results
    of the same options."""
    return {
        name: value if isinstance(value, bool) else str(value)
        for name, value in vars(wanted).items()
        if name != "resume" and value != getattr(ClipOptions, name)
    }
