"""`restore denoise IN OUT` and its sisters, made from the table of heads."""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from restore.cli import batch, pipe, video, waiting
from restore.cli.console import Reporter
from restore.cli.options import (
    Backend,
    BitDepth,
    Debug,
    Device,
    EncodeQuality,
    Json,
    MaxMemory,
    MaxPixels,
    Model,
    Overlap,
    Overwrite,
    Precision,
    Quality,
    Quiet,
    Reduce,
    Sources,
    Stages,
    Strength,
    Target,
    Tile,
    split_quality,
)
from restore.errors import UsageError
from restore.heads import Head

if TYPE_CHECKING:
    from restore.media.io_options import IoOptions
    from restore.media.picture import Picture

    Save = Callable[[Picture], object]


def command(head: Head) -> Callable[..., None]:
    """Make the command of one head."""

    def restore(
        sources: Sources,
        target: Target,
        quality: Quality = None,
        model: Model = None,
        stages: Stages = None,
        device: Device = "auto",
        precision: Precision = "auto",
        backend: Backend = "torch",
        tile: Tile = "auto",
        overlap: Overlap = None,
        reduce: Reduce = None,
        max_memory: MaxMemory = None,
        strength: Strength = 1.0,
        ensemble: Annotated[
            bool, typer.Option("--ensemble", help="Average eight flips and turns: 8x slower.")
        ] = False,
        bit_depth: BitDepth = "",
        encode_quality: EncodeQuality = None,
        max_pixels: MaxPixels = None,
        overwrite: Overwrite = False,
        recursive: batch.Recursive = False,
        suffix: batch.Suffix = "",
        format_: batch.Format = "",
        skip_existing: batch.SkipExisting = False,
        workers: batch.Workers = 1,
        fail_fast: batch.FailFast = False,
        dry_run: batch.DryRun = False,
        watch: batch.Watch = False,
        codec: video.Codec = None,
        crf: video.Crf = None,
        pix_fmt: video.PixFmt = None,
        fps: video.Fps = None,
        resume: video.Resume = False,
        temporal: video.Temporal = False,
        json: Json = False,
        quiet: Quiet = False,
        debug: Debug = False,
    ) -> None:
        from restore.jobs.folder_plan import is_batch, refuse_absent
        from restore.media.io_options import IoOptions

        reporter = Reporter(json, quiet)
        quality, encode_quality = split_quality(quality, encode_quality, reporter)
        restorer = {
            "model": model,
            "quality": quality,
            "stages": stages,
            "device": device,
            "precision": precision,
            "backend": backend,
            "tile": tile,
            "overlap": overlap,
            "reduce": reduce,
            "max_memory": max_memory,
            "strength": strength,
            "ensemble": ensemble,
        }
        choices = IoOptions(bit_depth, encode_quality, max_pixels)
        many = batch.Options(
            recursive, suffix, format_, skip_existing, workers, fail_fast, dry_run, watch
        )
        moving = video.Options(codec, crf, pix_fmt, fps, resume, temporal)
        video.refuse_several(sources, target)
        if video.is_clip(sources, target):
            many.refuse_unless_default()
            if choices != IoOptions():
                raise UsageError("--bit-depth, --encode-quality and --max-pixels are for pictures")
            video.restore_clip(
                head.name, sources[0], target, reporter, moving, overwrite, **restorer
            )
            return
        moving.refuse_unless_default()
        refuse_absent(source for source in sources if source != pipe.PIPE)
        if is_batch(sources, target):
            pipe.refuse((*sources, target))
            batch.restore_many(
                head.name, sources, target, reporter, many, choices, overwrite, **restorer
            )
            return
        (source,) = sources
        if target == pipe.PIPE:
            many = replace(many, format="")  # there it says how the one picture is encoded
            reporter = pipe.silent(reporter)
        many.refuse_unless_default()
        picture, save = read(
            source, target, overwrite, reporter, choices, pipe.ending(format_), by_rows=True
        )
        text, values = apply(head.name, picture, save, source, target, reporter, **restorer)
        reporter.result(text, **values)

    return restore


def read(
    source: Path,
    target: Path,
    overwrite: bool,
    reporter: Reporter,
    choices: "IoOptions | None" = None,
    ending: str = "",
    by_rows: bool = False,
) -> tuple["Picture", "Save"]:
    """The picture to restore, read as ``choices`` have it, ``by_rows`` where it may and can, and
    what to do with the result, once all that can be refused without torch has been, and what will
    be lost has been said."""
    from restore.media import image as media
    from restore.media.io_options import IoOptions

    choices = choices or IoOptions()
    if target != pipe.PIPE:
        media.check_target(target, overwrite)
    rows_for = target if by_rows else None
    from_pipe, to_pipe = source == pipe.PIPE, target == pipe.PIPE
    picture = pipe.read(choices) if from_pipe else choices.read(source, target=rows_for)
    name = pipe.named(picture, ending) if to_pipe else target
    for note in (*picture.notes, *media.check_fits(picture, name)):
        reporter.note(f"{source}: {note}")
    return picture, partial(pipe.write, name=name) if to_pipe else partial(media.write, path=name)


def apply(
    task: str,
    picture: "Picture",
    save: "Save",
    source: Path,
    target: Path,
    reporter: Reporter,
    **options: Any,
) -> tuple[str, dict[str, Any]]:
    """Restore a picture that `read` returned and ``save`` it, unless it went to ``target`` by rows;
    ``options`` are the `Restorer`'s.

    Returns the outcome as a sentence and as values; the seconds are those of both.
    """
    from restore import Restorer
    from restore.media import large

    restorer = Restorer(task, **options)
    height, width = picture.pixels.shape[:2]
    waiting.announce(reporter, restorer, [(height, width)])
    started = time.perf_counter()
    with reporter.progress(f"{task} {source.name}") as progress:
        better = partial(restorer, progress=progress)
        by_rows = partial(restorer.by_rows, progress=progress)
        restored = large.through(picture, target, better, by_rows)
    if restored is not None:
        save(restored)
    seconds = time.perf_counter() - started
    compute = restorer.compute
    text = (
        f"{source} -> {target} ({restorer.card.name}, {compute.device} {compute.precision}, "
        f"{width} x {height}, {seconds:.1f} s)"
    )
    return text, {
        "input": str(source),
        "output": str(target),
        "task": task,
        "model": restorer.card.name,
        "device": str(compute.device),
        "precision": compute.precision,
        "backend": restorer.backend.name,
        "width": width,
        "height": height,
        "strength": restorer.strength,
        "ensemble": restorer.ensemble,
        "seconds": round(seconds, 3),
    }
