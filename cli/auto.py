"""`restore auto IN OUT`: what `restore inspect` suggests, done."""

from restore.cli import pipe
from restore.cli.console import Reporter
from restore.cli.options import (
    Debug,
    Device,
    Json,
    MaxMemory,
    Overlap,
    Overwrite,
    Precision,
    Quality,
    Quiet,
    Source,
    Strength,
    Target,
    Tile,
)
from restore.cli.task import apply, read
from restore.errors import UsageError
from restore.media.video import detect


def auto(
    source: Source,
    target: Target,
    quality: Quality = None,
    device: Device = "auto",
    precision: Precision = "auto",
    tile: Tile = "auto",
    overlap: Overlap = None,
    max_memory: MaxMemory = None,
    strength: Strength = 1.0,
    overwrite: Overwrite = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Find out what ails a picture, and apply the head against it. A healthy picture is copied."""
    from dataclasses import asdict

    from restore.checkpoints import store
    from restore.inspect import inspect, suggest
    from restore.media.image import copy

    moving = detect.is_clip(source) or detect.is_clip(target) or detect.is_animated(source)
    if moving or source.is_dir() or target.is_dir():
        raise UsageError("auto takes one picture; name a head for a folder, clip or animation")
    reporter = Reporter(json, quiet)
    if target == pipe.PIPE:
        reporter = pipe.silent(reporter)
    picture, save = read(source, target, overwrite, reporter)
    findings = inspect(picture.in_8_bits().pixels)
    task = suggest(findings)
    if task is None:
        if pipe.PIPE in (source, target):
            save(picture)
        else:
            copy(picture, source, target)
        text = f"{source} -> {target} (nothing to restore; copied as it is)"
        values = {"input": str(source), "output": str(target), "task": None}
    else:
        store.find(task, quality=quality)  # complains of a missing model before torch is loaded
        text, values = apply(
            task,
            picture,
            save,
            source,
            target,
            reporter,
            quality=quality,
            device=device,
            precision=precision,
            tile=tile,
            overlap=overlap,
            max_memory=max_memory,
            strength=strength,
        )
        text = f"{task}: {text}"
    reporter.result(text, **values, findings=asdict(findings))
