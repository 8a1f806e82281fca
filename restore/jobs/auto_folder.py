"""The pictures of a folder, each by the heads that it needs."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from restore.automatic import AutoRestorer
from restore.errors import UsageError
from restore.jobs import manifest
from restore.jobs.auto_job import auto_picture, is_moving_source
from restore.jobs.executors.local import run
from restore.jobs.file_stages import JobCallbacks, MovingWork, OutputPolicy, Stages
from restore.jobs.folder_job import PathLike
from restore.jobs.folder_plan import plan
from restore.jobs.folder_sums import FolderSums
from restore.jobs.job_restorer import Notify
from restore.jobs.outcome import SKIPPED, Outcome
from restore.jobs.picture_job import with_losses
from restore.media.io_options import IoOptions

NO_PICTURE = "is a clip or an animation; name a head for it"


def auto_folder(
    source: PathLike | Sequence[PathLike],
    target: PathLike,
    *,
    restorer: AutoRestorer | None = None,
    recursive: bool = False,
    overwrite: bool = False,
    progress: Callable[[int, int], object] | None = None,
    on_outcome: Callable[[Outcome], object] | None = None,
    on_tiles: Callable[[Path, float, int], None] | None = None,
    notify: Notify | None = None,
    should_stop: Callable[[], bool] | None = None,
    **options: Any,
) -> Outcome:
    """Restore every picture of a folder as `auto_file` does, with the record of `restore_folder`.

    The same call again restores only what is missing or has changed. A file that fails does not
    stop the others. Clips and animations are skipped.

    Args:
        source, target, recursive, overwrite: as for `restore_folder`.
        restorer: holds loaded models; excludes ``options``.
        progress, on_outcome, on_tiles, should_stop: as for `restore_folder`.
        notify: gets the expected time of a long step.
        options: those of `AutoRestorer`, and ``bit_depth``, ``encode_quality``, ``max_pixels`` and
            ``stamp``.

    Returns an `Outcome` whose ``files`` hold one outcome for each input, an `AutoOutcome` for each
    restored or copied picture. Raises as `restore_folder` does.
    """
    names = [name for name in options if name in IoOptions.__dataclass_fields__]
    chosen = IoOptions(**{name: options.pop(name) for name in names})
    if restorer is not None and options:
        raise UsageError(f"{next(iter(options))} is an option of the AutoRestorer that is given")
    sources = [*map(Path, [source] if isinstance(source, str | os.PathLike) else source)]
    jobs = plan(sources, Path(target), recursive=recursive)
    auto = restorer or AutoRestorer(**options)

    work = _work(auto, chosen, notify)
    sums = FolderSums(keeps=True)
    calls = JobCallbacks(
        should_stop=should_stop or (lambda: False),
        frames=lambda job, done, all_: (on_tiles or _ignore)(job.source, done, all_),
    )
    with manifest.opened(Path(target)) as made:
        stages = Stages(
            lambda pixels, report: pixels,  # no picture goes past `work`
            made,
            auto.key() | chosen.key(),
            moving=work,
            policy=OutputPolicy(overwrite=overwrite),
            calls=calls,
        )
        for outcome in run(jobs, stages):
            sums.add(outcome)
            (on_outcome or _ignore)(outcome)
            (progress or _ignore)(len(sums), len(jobs))
    why, seconds = sums.why_ended(), sums.seconds
    files = tuple(sums.kept)
    return Outcome(sources[0], Path(target), sums.status, why, seconds=seconds, files=files)


def _work(auto: AutoRestorer, chosen: IoOptions, notify: Notify | None) -> MovingWork:
    """Return how each picture goes from file to file."""

    def restore(source: Path, target: Path, *, overwrite: bool, **rest: Any) -> Outcome:
        if is_moving_source(source):
            return Outcome(source, target, SKIPPED, NO_PICTURE)
        picture = with_losses(chosen.read(source), source, target, None)
        copies = chosen.keeps_encoding
        return auto_picture(picture, source, target, auto, copies=copies, notify=notify, **rest)

    return MovingWork(restore, lambda source: {}, takes=lambda source, target: True)


def _ignore(*values: object) -> None:
    pass
