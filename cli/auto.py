"""`restore auto IN OUT`: apply the heads that a picture needs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from restore.cli import auto_output, run_auto_folder, standard_streams
from restore.cli.console import Reporter
from restore.cli.options import (
    BitDepth,
    Device,
    EncodeQuality,
    Json,
    MaxMemory,
    MaxPixels,
    Overlap,
    Overwrite,
    Precision,
    Quality,
    Quiet,
    Recursive,
    Sources,
    Stamp,
    Strength,
    Target,
    Tile,
)
from restore.cli.run_picture import open_any
from restore.errors import UsageError
from restore.jobs.routing import PIPE, is_folder_run

if TYPE_CHECKING:
    from restore.automatic import AutoRestorer
    from restore.media.io_options import IoOptions

DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Print the plan; load no head and write nothing.")
]


def auto(
    sources: Sources,
    target: Target,
    strength: Strength = 1.0,
    bit_depth: BitDepth = "",
    encode_quality: EncodeQuality = None,
    stamp: Stamp = False,
    quality: Quality = None,
    device: Device = "auto",
    max_memory: MaxMemory = None,
    overwrite: Overwrite = False,
    dry_run: DryRun = False,
    json: Json = False,
    quiet: Quiet = False,
    recursive: Recursive = False,
    precision: Precision = "auto",
    tile: Tile = "auto",
    overlap: Overlap = None,
    max_pixels: MaxPixels = None,
) -> None:
    """Apply the heads that a picture needs, each while it helps.

    A healthy picture is copied. In a folder, every picture is judged; clips are skipped.
    """
    from restore.automatic import AutoRestorer
    from restore.media.io_options import IoOptions

    chosen = IoOptions(bit_depth, encode_quality, max_pixels, stamp)
    reporter = Reporter(json, quiet)
    options: dict[str, Any] = {"device": device, "precision": precision, "tile": tile}
    options |= {"overlap": overlap, "max_memory": max_memory}
    restorer = AutoRestorer(quality=quality, strength=strength, **options)
    if is_folder_run(sources, target):
        standard_streams.refuse([*sources, target])
        run_auto_folder.run(
            sources, target, restorer, chosen, recursive, overwrite, dry_run, reporter
        )
        return
    if recursive:
        raise UsageError("--recursive is for folders; IN is one file")
    _one(sources[0], target, restorer, chosen, overwrite, dry_run, reporter)


def _one(
    source: Path,
    target: Path,
    restorer: "AutoRestorer",
    chosen: "IoOptions",
    overwrite: bool,
    dry_run: bool,
    reporter: Reporter,
) -> None:
    from restore.jobs.auto_job import auto_picture, plan_picture, refuse_moving

    refuse_moving(source, target)
    if target == PIPE and not dry_run:
        reporter = standard_streams.silent(reporter)
    picture, save = open_any(source, target, overwrite, chosen, reporter, by_rows=False)
    if dry_run:
        auto_output.print_plan(plan_picture(picture, restorer), source, reporter)
        return
    with reporter.progress(f"auto {source.name}") as progress:
        outcome = auto_picture(
            *(picture, source, target, restorer),
            copies=chosen.keeps_encoding,
            save=save,
            copy=standard_streams.copier(source, target) if PIPE in (source, target) else None,
            progress=progress,
            notify=None if reporter.quiet else reporter.note,
        )
    auto_output.print_outcome(outcome, reporter)
