"""`restore auto IN OUT`: do what `restore inspect` suggests."""

from typing import TYPE_CHECKING, Any

from restore.cli import pipe
from restore.cli.console import Reporter
from restore.cli.options import (
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
from restore.cli.picture import described, open_any, restore
from restore.errors import UsageError
from restore.jobs.routing import PIPE
from restore.media.video import detect

if TYPE_CHECKING:
    from restore.cli.picture import Save
    from restore.media.picture import Picture


def auto(
    source: Source,
    target: Target,
    strength: Strength = 1.0,
    quality: Quality = None,
    device: Device = "auto",
    max_memory: MaxMemory = None,
    overwrite: Overwrite = False,
    json: Json = False,
    quiet: Quiet = False,
    precision: Precision = "auto",
    tile: Tile = "auto",
    overlap: Overlap = None,
) -> None:
    """Inspect a picture and apply the head that it needs. A clean picture is copied."""
    from dataclasses import asdict

    from restore.checkpoints import store
    from restore.inspect import judge, suggest
    from restore.media.io_options import IoOptions

    moving = detect.is_clip(source) or detect.is_clip(target) or detect.is_animated(source)
    if moving or source.is_dir() or target.is_dir():
        raise UsageError("auto takes one picture; name a head for a folder, clip or animation")
    reporter = Reporter(json, quiet)
    if target == PIPE:
        reporter = pipe.silent(reporter)
    picture, save = open_any(source, target, overwrite, IoOptions(), reporter, by_rows=False)
    judgement = judge(picture.in_8_bits().pixels)
    task = suggest(judgement)
    if task is None:
        text, values = _copy(picture, save, source, target)
    else:
        store.find(task, quality=quality)  # raises for a missing model before torch is loaded
        options = {
            "quality": quality,
            "device": device,
            "precision": precision,
            "tile": tile,
            "overlap": overlap,
            "max_memory": max_memory,
            "strength": strength,
        }
        outcome = restore(picture, save, source, target, task, reporter, **options)
        text, values = described(outcome, task, options)
        text = f"{task}: {text}"
    reporter.result(text, **values, judgement=asdict(judgement))


def _copy(
    picture: "Picture", save: "Save", source: Source, target: Target
) -> tuple[str, dict[str, Any]]:
    """Copy a picture that needs no restoration, and describe the outcome."""
    from restore.media import image as media

    if save is not None:
        save(picture)
    elif source == PIPE:
        media.write(picture, target)
    else:
        media.copy(picture, source, target)
    text = f"{source} -> {target} (nothing to restore; copied as it is)"
    return text, {"input": str(source), "output": str(target), "task": None}
