"""`restore auto IN OUT`: apply the heads that a picture needs."""

from typing import TYPE_CHECKING, Annotated

import typer

from restore.cli import pipe
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
    Source,
    Stamp,
    Strength,
    Target,
    Tile,
)
from restore.cli.picture import open_any
from restore.jobs.routing import PIPE

if TYPE_CHECKING:
    from restore.automatic import AutoRestorer
    from restore.jobs.auto_job import AutoOutcome
    from restore.media.picture import Picture

DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Print the plan; load no head and write nothing.")
]


def auto(
    source: Source,
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
    precision: Precision = "auto",
    tile: Tile = "auto",
    overlap: Overlap = None,
    max_pixels: MaxPixels = None,
) -> None:
    """Judge a picture and apply the heads that it needs, each while it helps.

    A healthy picture is copied.
    """
    from restore.automatic import AutoRestorer
    from restore.jobs.auto_job import auto_picture, refuse_moving
    from restore.media.io_options import IoOptions

    refuse_moving(source, target)
    chosen = IoOptions(bit_depth, encode_quality, max_pixels, stamp)
    reporter = Reporter(json, quiet)
    if target == PIPE and not dry_run:
        reporter = pipe.silent(reporter)
    picture, save = open_any(source, target, overwrite, chosen, reporter, by_rows=False)
    restorer = AutoRestorer(
        quality=quality,
        strength=strength,
        device=device,
        precision=precision,
        tile=tile,
        overlap=overlap,
        max_memory=max_memory,
    )
    if dry_run:
        _print_plan(restorer, picture, source, reporter)
        return
    with reporter.progress(f"auto {source.name}") as progress:
        outcome = auto_picture(
            *(picture, source, target, restorer),
            copies=chosen == IoOptions(),
            save=save,
            progress=progress,
            notify=None if reporter.quiet else reporter.note,
        )
    _print_outcome(outcome, reporter)


def _print_plan(
    restorer: "AutoRestorer", picture: "Picture", source: Source, reporter: Reporter
) -> None:
    from dataclasses import asdict

    from restore.automatic.auto_restorer import as_values
    from restore.jobs.auto_job import plan_picture

    planned = plan_picture(picture, restorer)
    lines = [f"would apply {step}" for step in planned.steps]
    reporter.result(
        "\n".join(lines or [f"{source}: nothing to restore; would be copied as it is"]),
        input=str(source),
        steps=[as_values(step) for step in planned.steps],
        judgement=asdict(planned.judgement),
    )


def _print_outcome(outcome: "AutoOutcome", reporter: Reporter) -> None:
    from dataclasses import asdict

    from restore.automatic.auto_restorer import as_values

    height, width = outcome.size
    heads = [step.head for step in outcome.kept]
    if heads:
        how = f"{', '.join(heads)}; {outcome.device} {outcome.precision}, {width} x {height}, "
        how += f"{outcome.seconds:.1f} s"
    else:
        why = "no step helped" if outcome.steps else "nothing to restore"
        how = f"{why}; copied as it is"
    lines = [*map(str, outcome.steps), f"{outcome.source} -> {outcome.target} ({how})"]
    reporter.result(
        "\n".join(lines),
        input=str(outcome.source),
        output=str(outcome.target),
        heads=heads,
        steps=[as_values(step) for step in outcome.steps],
        judgement=None if outcome.judgement is None else asdict(outcome.judgement),
        device=outcome.device,
        precision=outcome.precision,
        width=width,
        height=height,
        seconds=round(outcome.seconds, 3),
    )
