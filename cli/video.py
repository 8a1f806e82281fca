"""`restore denoise clip.mp4 out.mp4`: the same commands on clips, numbered pictures, animations."""

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from restore.cli import waiting
from restore.cli.console import INTERRUPTED, Reporter
from restore.cli.options import given
from restore.errors import ImageError, UsageError
from restore.media.video import detect

if TYPE_CHECKING:
    import numpy as np

    from restore.jobs.resumable_clip import RestoredClip

Codec = Annotated[
    str | None, typer.Option(help="Clips: h264, hevc, vp9, av1, prores, ffv1, ...; else as IN.")
]
Crf = Annotated[
    float | None, typer.Option(min=0, help="Clips: the encoder's quality; lower is better.")
]
PixFmt = Annotated[
    str | None, typer.Option("--pix-fmt", help="Clips: FFmpeg's pixel format; else as IN.")
]
Fps = Annotated[
    str | None,
    typer.Option(help="Numbered pictures into a clip: frames a second, 25 or 30000/1001."),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Clips: go on where an interrupted run has ended.")
]
Temporal = Annotated[
    bool, typer.Option("--temporal", help="Clips: less flicker, each frame sees the one before.")
]


@dataclass(frozen=True)
class Options:
    """What concerns moving pictures alone."""

    codec: str | None = None
    crf: float | None = None
    pix_fmt: str | None = None
    fps: str | None = None
    resume: bool = False
    temporal: bool = False

    def refuse_unless_default(self, *names: str, what: str = "for clips; IN is none") -> None:
        """Raise `UsageError` naming an option (of ``names``, or any) that has no use here."""
        for name in names or vars(self):
            if getattr(self, name) != getattr(Options, name):
                raise UsageError(f"--{name.replace('_', '-')} is {what}")


def is_clip(sources: Sequence[Path], target: Path) -> bool:
    """Whether these arguments mean one clip, animation, or run of numbered pictures."""
    if len(sources) != 1:
        return False
    (source,) = sources
    if detect.is_clip(source) or detect.is_pattern(source):
        return True
    if detect.is_clip(target) or detect.is_pattern(target):
        return str(source) != "-"
    moving = detect.can_be_animated(target)
    return moving and not target.is_dir() and detect.is_animated(source)


def refuse_several(sources: Sequence[Path], target: Path) -> None:
    """Raise `UsageError` for clips among several inputs, by a pattern such as ``*.mp4``, or on
    standard input or output."""
    clips = [path for path in (*sources, target) if detect.is_clip(path)]
    if clips and any(str(path) == "-" for path in (*sources, target)):
        raise UsageError(f"{clips[0]}: - is for pictures; name a file")
    for source in sources:
        several = len(sources) > 1 or (any(c in str(source) for c in "*?[") and not source.exists())
        if detect.is_clip(source) and several:
            raise UsageError(f"{source}: clips are restored one at a time")


def restore_clip(
    task: str,
    source: Path,
    target: Path,
    reporter: Reporter,
    options: Options,
    overwrite: bool,
    **restorer: Any,
) -> None:
    """Restore what `is_clip` says yes to, and say what became of it; ``restorer`` holds the
    `Restorer`'s options."""
    if target.is_dir():
        target = target / source.name
    run = _Run(task, source, target, reporter, options, overwrite, restorer)
    if detect.is_pattern(target):
        run.into_pictures()
    elif detect.is_animated(source) and detect.can_be_animated(target):
        run.into_animation()
    else:
        run.into_clip()


@dataclass(frozen=True)
class _Run:
    task: str
    source: Path
    target: Path
    reporter: Reporter
    options: Options
    overwrite: bool
    restorer: dict[str, Any]

    def into_clip(self) -> None:
        from restore.files import check_target
        from restore.jobs.resumable_clip import ClipInterrupted, ResumePolicy, settle
        from restore.jobs.resumable_clip import restore_clip as work
        from restore.media.video.encoders import EncodeOptions, choose
        from restore.media.video.sequence import as_clip, moving

        options = self.options
        check_target(self.target, self.overwrite, ImageError)
        wishes = EncodeOptions(options.codec, options.crf, options.pix_fmt)
        source: Any
        if self.source.is_dir() or detect.is_pattern(self.source):
            source = as_clip(self.source, _rate(options.fps))
            encoding = choose(source.clip, self.target, wishes)
        elif detect.is_read_by_pillow_only(self.source):
            options.refuse_unless_default("fps", what="for numbered pictures; IN has its own times")
            source = moving(self.source)
            encoding = choose(source.clip, self.target, wishes)
        else:
            options.refuse_unless_default("fps", what="for numbered pictures; IN has its own times")
            source, encoding = settle(self.source, self.target, wishes)
        restorer, frames, memory = self._restorer(source.clip)
        key = self._key(restorer)
        policy = ResumePolicy(options.resume, self.overwrite)
        started = time.perf_counter()
        try:
            with self._progress() as progress:
                made = work(
                    source,
                    self.target,
                    encoding,
                    frames,
                    key,
                    memory=memory,
                    policy=policy,
                    progress=progress,
                )
        except ClipInterrupted as interrupted:
            if interrupted.kept:  # else what is said of every command that Ctrl-C ends will do
                print(
                    f"stopped: {interrupted.kept} frames are kept; --resume goes on from there",
                    file=sys.stderr,
                )
            raise typer.Exit(INTERRUPTED) from None
        height, width = source.clip.size
        values = _values(made) | {"width": width, "height": height}
        self._report(restorer, made.frames, started, made.notes, **values)

    def into_pictures(self) -> None:
        from restore.jobs.image_sequence import extract, extract_animation, restore_numbered
        from restore.jobs.resumable_clip import ResumePolicy
        from restore.media.formats import of_target
        from restore.media.video.probe import probe

        options = self.options
        options.refuse_unless_default(
            "codec", "crf", "pix_fmt", "fps", what="for clips; OUT is none"
        )
        if options.temporal and options.resume:
            raise UsageError("--resume leaves out frames that --temporal would have to see")
        of_target(self.target)  # complains before anything is loaded
        work: Callable[..., Any]
        source: Any = self.source
        if source.is_dir() or detect.is_pattern(source):
            work = restore_numbered
        elif detect.is_read_by_pillow_only(source):
            work = extract_animation
        else:
            work, source = extract, probe(source)
        restorer, frames, _ = self._restorer(source)
        policy = ResumePolicy(options.resume, self.overwrite)
        started = time.perf_counter()
        with self._progress() as progress:
            done = work(source, self.target, frames, policy, progress)
        there = (f"{done.there} pictures were there already",) if done.there else ()
        self._report(restorer, done.made, started, (*done.notes, *there), resumed=done.there)

    def into_animation(self) -> None:
        from restore.files import check_target
        from restore.jobs.image_sequence import restore_animation

        self.options.refuse_unless_default(
            "codec", "crf", "pix_fmt", "fps", "resume", what="for clips; IN is an animation"
        )
        check_target(self.target, self.overwrite, ImageError)
        if os.path.realpath(self.source) == os.path.realpath(self.target):
            raise ImageError(f"{self.target}: is the input; name another output")
        restorer, frames, _ = self._restorer(self.source)
        started = time.perf_counter()
        with self._progress() as progress:
            done = restore_animation(self.source, self.target, frames, progress)
        self._report(restorer, done.made, started, done.notes)

    def _restorer(
        self, source: Any
    ) -> "tuple[Any, Callable[[Iterable[np.ndarray]], Iterator[np.ndarray]], Any]":
        """(the `Restorer`, its frames as a callable, what it remembers from frame to frame); says
        how long ``source`` will take, unless some of it is there already."""
        from restore import Restorer
        from restore.engine.temporal import Steadier
        from restore.jobs.input_sizes import size_and_count

        restorer = Restorer(self.task, **self.restorer)
        known = None if self.options.resume else size_and_count(source)
        if known is not None:
            waiting.announce(self.reporter, restorer, known[:1], known[1])
        memory = Steadier() if self.options.temporal else None
        return restorer, lambda images: restorer.frames(images, steady=memory or False), memory

    def _key(self, restorer: Any) -> dict[str, Any]:
        # What the first have led to counts; the others count where they are given.
        apart = ("model", "quality", "device", "precision", "stages", "reduce")
        return {
            "task": self.task,
            "model": restorer.card.sha256,
            "device": restorer.compute.device.type,
            "precision": restorer.compute.precision,
            "temporal": self.options.temporal,
            **{name: str(value) for name, value in self.restorer.items() if name not in apart},
            **given(self.restorer, "stages", "reduce"),
        }

    def _progress(self) -> AbstractContextManager[Callable[[int, int], None]]:
        return self.reporter.progress(f"{self.task} {self.source.name}")

    def _report(
        self, restorer: Any, frames: int, started: float, notes: Sequence[str], **values: Any
    ) -> None:
        seconds = time.perf_counter() - started
        for note in notes:
            self.reporter.note(note)
        compute = restorer.compute
        new = frames - values.get("resumed", 0) if "codec" in values else frames
        text = (
            f"{self.source} -> {self.target} ({restorer.card.name}, {compute.device} "
            f"{compute.precision}, {frames} frames, {seconds:.1f} s, "
            f"{new / max(seconds, 1e-3):.2f} frames/s)"
        )
        self.reporter.result(
            text,
            input=str(self.source),
            output=str(self.target),
            task=self.task,
            model=restorer.card.name,
            device=str(compute.device),
            precision=compute.precision,
            backend=restorer.backend.name,
            strength=restorer.strength,
            ensemble=restorer.ensemble,
            temporal=self.options.temporal,
            frames=frames,
            seconds=round(seconds, 3),
            notes=list(notes),
            **values,
        )


def _values(made: "RestoredClip") -> dict[str, Any]:
    encoding = made.encoding
    return {
        "resumed": made.resumed,
        "codec": encoding.encoder,
        "pix_fmt": encoding.pixel_format,
        "encoder_options": dict(encoding.options),
    }


def _rate(text: str | None) -> Any:
    from fractions import Fraction

    if text is None:
        raise UsageError("numbered pictures have no times; give --fps, for instance --fps 25")
    try:
        rate = Fraction(text)
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if not 0 < rate <= 1000:
        raise UsageError(f"fps is {text!r}; use a number such as 25, or 30000/1001")
    return rate.limit_denominator(1001)
