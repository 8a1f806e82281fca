"""One clip, animation or sequence of numbered pictures from file to file."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from restore.errors import ImageError, UsageError
from restore.files import check_target
from restore.jobs.clip_options import ClipOptions
from restore.jobs.clip_work_folder import ResumePolicy
from restore.jobs.folder_plan import Naming
from restore.jobs.job_restorer import Notify, announce, open_restorer, used
from restore.jobs.outcome import Outcome
from restore.jobs.result_keys import clip_key, key_options
from restore.media.video import detect

if TYPE_CHECKING:
    import numpy as np

    from restore.engine.restorer import Restorer
    from restore.engine.temporal import Steadier
    from restore.jobs.job_restorer import Head
    from restore.jobs.resumable_clip import RestoredClip

Report = Callable[[int, int], None]


def restore_clip(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    head: Head,
    *,
    overwrite: bool = False,
    progress: Report | None = None,
    notify: Notify | None = None,
    **options: Any,
) -> Outcome:
    """Restore a clip, an animation or numbered pictures; sound and other streams are copied.

    Args:
        source: a clip, an animated picture, a pattern such as "frames/%05d.png", or a folder of
            pictures.
        target: a clip, an animated picture, a pattern, or a folder in which the clip keeps its
            name.
        head: a head's name, loaded with ``options`` (those of `Restorer`), or a `Restorer`.
        overwrite: replace an existing output, and discard an interrupted run.
        options: those of `ClipOptions`, and of `Restorer`.
        progress: called with the number of finished frames and of all.
        notify: gets the expected time of a long run.

    Raises:
        ImageError: if the input cannot be read, or the output cannot be written.
        UsageError: for an option that does not exist or has no effect on this input.
        ModelNotFoundError: if no model of the head is installed.
        ClipInterrupted: on Ctrl-C, with the number of frames that are kept.
    """
    own = {name: options.pop(name) for name in [*options] if name in vars(ClipOptions())}
    wanted = ClipOptions(**own)
    source, target = Path(source), Path(target)
    if target.is_dir():
        target = target / Naming()(source)
    policy = ResumePolicy(wanted.resume, overwrite)
    report = progress or (lambda done, total: None)
    rest = key_options(head, options)
    return ClipJob(source, target, head, wanted, policy, rest, report, notify).run()


@dataclass(frozen=True)
class ClipJob:
    """One moving input and its output. ``mark``, ``ready``: as for `atomic_path`."""

    source: Path
    target: Path
    head: Head
    wanted: ClipOptions
    policy: ResumePolicy
    options: dict[str, Any] = field(default_factory=dict)
    progress: Report = lambda done, total: None
    notify: Notify | None = None
    mark: str = ""
    ready: Callable[[Path], object] = lambda temporary: None

    def run(self) -> Outcome:
        """Restore it. Raises as `restore_clip` does."""
        started = time.perf_counter()
        self.wanted.check()
        if detect.is_pattern(self.target):
            done = self._into_pictures()
        elif detect.is_animated(self.source) and detect.can_be_animated(self.target):
            done = self._into_animation()
        else:
            done = self._into_clip()
        return replace(done, seconds=time.perf_counter() - started)

    def _into_clip(self) -> Outcome:
        from restore.jobs.resumable_clip import settle, write_clip
        from restore.media.video.encoders import choose
        from restore.media.video.sequence import as_clip, moving

        wanted = self.wanted
        check_target(self.target, self.policy.overwrite, ImageError)
        source: Any
        if self.source.is_dir() or detect.is_pattern(self.source):
            wanted.refuse("audio", "deinterlace", what=f"for clips; {self.source} has no streams")
            source = as_clip(self.source, wanted.rate(), wanted.allow_gaps)
            encoding = choose(source.clip, self.target, wanted.encoding)
        else:
            wanted.refuse("fps", what=f"for numbered pictures; {self.source} has its own times")
            wanted.refuse("allow_gaps", what=f"for numbered pictures; {self.source} is one file")
            if detect.is_read_by_pillow_only(self.source):
                source = moving(self.source)
                encoding = choose(source.clip, self.target, wanted.encoding)
            else:
                wishes = wanted.encoding, wanted.deinterlace
                source, encoding = settle(self.source, self.target, *wishes)
        restorer, frames, memory = self._restorer(source.clip)
        made = write_clip(
            source,
            self.target,
            encoding,
            frames,
            clip_key(restorer, self.options, wanted.temporal),
            memory=memory,
            policy=self.policy,
            progress=self.progress,
            mark=self.mark,
            ready=self.ready,
        )
        return self._outcome(restorer, source.clip.size, made)

    def _into_pictures(self) -> Outcome:
        from restore.jobs.image_sequence import extract, extract_animation, restore_numbered
        from restore.media.formats import of_target
        from restore.media.video.probe import probe

        wanted = self.wanted
        names = ("codec", "crf", "pix_fmt", "fps", "audio", "allow_gaps")
        wanted.refuse(*names, what=f"for clips; {self.target} is none")
        if wanted.temporal and wanted.resume:
            raise UsageError("resume=True leaves out frames that temporal=True requires")
        of_target(self.target)  # raises before anything is loaded
        work: Callable[..., Any]
        source: Any = self.source
        if source.is_dir() or detect.is_pattern(source):
            work = restore_numbered
        elif detect.is_read_by_pillow_only(source):
            work = extract_animation
        else:
            work, source = extract, probe(source, wanted.deinterlace)
        restorer, frames, _ = self._restorer(source)
        done = work(source, self.target, frames, self.policy, self.progress)
        there = (f"{done.there} pictures were there already",) if done.there else ()
        return Outcome(
            self.source,
            self.target,
            notes=(*done.notes, *there),
            size=done.size,
            frames=done.made,
            resumed=done.there,
            **used(restorer),
        )

    def _into_animation(self) -> Outcome:
        from restore.jobs.image_sequence import restore_animation

        names = [name for name in vars(self.wanted) if name != "temporal"]
        self.wanted.refuse(*names, what=f"for clips; {self.source} is an animation")
        check_target(self.target, self.policy.overwrite, ImageError)
        if os.path.realpath(self.source) == os.path.realpath(self.target):
            raise ImageError(f"{self.target}: is the input; name another output")
        restorer, frames, _ = self._restorer(self.source)
        done = restore_animation(
            self.source, self.target, frames, self.progress, self.mark, self.ready
        )
        return Outcome(
            self.source,
            self.target,
            notes=done.notes,
            size=done.size,
            frames=done.made,
            **used(restorer),
        )

    def _restorer(
        self, source: Any
    ) -> tuple[Restorer, Callable[[Iterable[np.ndarray]], Iterator[np.ndarray]], Steadier | None]:
        """Return the restorer, its `Restorer.frames`, and its memory of earlier frames; announce
        the expected time, unless an earlier run has done a part."""
        from restore.engine.temporal import Steadier
        from restore.jobs.input_sizes import size_and_count

        restorer = open_restorer(self.head, self.options)
        known = None if self.policy.resume or self.notify is None else size_and_count(source)
        if known is not None:
            announce(restorer, known[:1], self.notify, known[1])
        memory = Steadier() if self.wanted.temporal else None
        return restorer, lambda images: restorer.frames(images, steady=memory or False), memory

    def _outcome(self, restorer: Restorer, size: tuple[int, int], made: RestoredClip) -> Outcome:
        encoding = made.encoding
        return Outcome(
            self.source,
            self.target,
            notes=made.notes,
            size=size,
            frames=made.frames,
            resumed=made.resumed,
            encoding={
                "codec": encoding.encoder,
                "pix_fmt": encoding.pixel_format,
                "encoder_options": dict(encoding.options),
            },
            **used(restorer),
        )
