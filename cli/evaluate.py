"""`restore eval TASK`: how good a model is on a set of pictures, or on a clip."""

import math
from pathlib import Path
from typing import Annotated, Any

import typer

from restore.cli.console import Reporter
from restore.cli.options import Device, Model, Precision, Quality, Reduce, Stages, Tile
from restore.errors import RestoreError
from restore.heads import HEADS


def evaluate(
    task: Annotated[str, typer.Argument(help=f"One of {', '.join(HEADS)}.")],
    target: Annotated[
        Path | None, typer.Option(help="Folder of the true pictures; of --video, the true clip.")
    ] = None,
    source: Annotated[
        Path | None, typer.Option("--input", help="Folder of degraded pictures of the same names.")
    ] = None,
    sigma: Annotated[
        float | None,
        typer.Option(min=0, help="Instead of --input: add Gaussian noise of this level (0-255)."),
    ] = None,
    video: Annotated[
        Path | None,
        typer.Option(help="Instead of pictures: a clip, or a folder of its frames; see below."),
    ] = None,
    quality: Quality = None,
    model: Model = None,
    stages: Stages = None,
    methods: Annotated[
        bool, typer.Option("--methods", help="Measure the task's classical methods as well.")
    ] = False,
    input_itself: Annotated[
        bool, typer.Option("--input-itself", help="Measure the degraded pictures as well.")
    ] = False,
    lpips: Annotated[
        list[str] | None,
        typer.Option(help="Measure LPIPS on alex or squeeze; may be repeated."),
    ] = None,
    csv: Annotated[
        Path | None, typer.Option(help="Write a line a picture and subject to this file.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the CSV file if it exists.")
    ] = False,
    device: Device = "auto",
    precision: Precision = "auto",
    tile: Tile = "auto",
    reduce: Reduce = None,
    json: Annotated[
        bool,
        typer.Option("--json", help="Print rows and means as JSON; null is an infinite PSNR."),
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the means alone.")] = False,
) -> None:
    """Measure against the true pictures: PSNR, SSIM, and what else the task is judged by.

    On RGB, rounded to 8 bits, without cropping borders; derain also on BT.601 Y, enhance also after
    scaling to the mean of the target.

    Of a clip: how much it flickers as it is, restored, and restored with --temporal; against
    --target, or with --sigma against the clip itself, PSNR and SSIM as well.
    """
    if sigma is not None and not math.isfinite(sigma):
        raise typer.BadParameter(f"--sigma is {sigma}; it must be a finite number")
    computing = {
        "quality": quality,
        "stages": stages,
        "device": device,
        "precision": precision,
        "tile": tile,
        "reduce": reduce,
    }
    if video is not None:
        if source is not None or methods or input_itself or lpips or csv is not None:
            raise typer.BadParameter(
                "--video goes without --input, --methods, --input-itself, --lpips and --csv"
            )
        if target is not None and sigma is not None:
            raise typer.BadParameter("--video takes --target or --sigma, not both")
        _clip(task, video, target, sigma, model, json, **computing)
        return
    if target is None:
        raise typer.BadParameter("give --target, or --video")
    if (source is None) == (sigma is None):
        raise typer.BadParameter("give one of --input and --sigma")
    from restore.evaluate import protocol, report, subjects
    from restore.evaluate.table import Table
    from restore.files import check_target

    if csv is not None:
        check_target(csv, overwrite, RestoreError)
    metrics = protocol.metrics_of(task, lpips or ())
    if source is not None:
        cases, conditions = report.paired_cases(source, target), protocol.COMMON
    else:
        cases = report.gaussian_cases(target, sigma or 0.0)
        conditions = f"{protocol.COMMON}; {protocol.GAUSSIAN}"
    compared = subjects.choose(
        task,
        model,
        methods=methods,
        input_itself=input_itself,
        say=lambda note: typer.echo(note, err=True),
        **computing,
    )
    table = Table(task, compared, metrics, conditions)
    if not json:
        typer.echo(table.header())
    rows = []
    for row in report.evaluate(compared, cases, metrics):
        rows.append(row)
        if not (quiet or json):
            typer.echo(table.line(row))
    if csv is not None:
        table.write_csv(rows, csv)
    Reporter(json).result(table.summary(rows), **table.to_dict(rows))


def _clip(
    task: str,
    video: Path,
    target: Path | None,
    sigma: float | None,
    model: str | None,
    json: bool,
    **options: Any,
) -> None:
    from restore import Restorer
    from restore.evaluate import clips, protocol

    conditions = clips.COMMON if sigma is None else f"{clips.COMMON}; {protocol.GAUSSIAN}"
    cases = clips.pairs(video, target, sigma)
    result = clips.evaluate(Restorer(task, model, **options), cases, conditions)
    Reporter(json).result(result.table(), task=task, **result.to_dict())
