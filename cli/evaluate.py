"""`restore eval TASK`: how good a model is on a set of pictures, or on a clip."""

import math
from pathlib import Path
from typing import Any

import typer

from restore.cli.console import Reporter
from restore.cli.evaluate_no_reference import run as without_reference
from restore.cli.evaluate_options import (
    Csv,
    InputItself,
    Json,
    Lpips,
    Measure,
    Methods,
    NoReference,
    Overwrite,
    Quiet,
    Sigma,
    Source,
    Target,
    Task,
    Video,
)
from restore.cli.options import Device, Model, Precision, Quality, Reduce, Stages, Tile
from restore.errors import RestoreError
from restore.files import check_target


def evaluate(
    task: Task = None,
    target: Target = None,
    source: Source = None,
    sigma: Sigma = None,
    video: Video = None,
    quality: Quality = None,
    model: Model = None,
    stages: Stages = None,
    no_reference: NoReference = None,
    measure: Measure = None,
    methods: Methods = False,
    input_itself: InputItself = False,
    lpips: Lpips = None,
    csv: Csv = None,
    overwrite: Overwrite = False,
    device: Device = "auto",
    precision: Precision = "auto",
    tile: Tile = "auto",
    reduce: Reduce = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Measure quality: PSNR, SSIM and further metrics of the task.

    Metrics are those of RGB, rounded to 8 bits, without cropping borders; for derain also of BT.601
    Y, for enhance also after scaling to the mean of the target.

    Clips are measured for flicker: unchanged, restored, and restored with --temporal. With
    --target, or with --sigma against the clip itself, PSNR and SSIM are printed too.

    With --no-reference, the quality is that of restore inspect, 0 to 1.
    """
    if csv is not None:
        check_target(csv, overwrite, RestoreError)
    if no_reference is not None:
        if task or source or sigma is not None or video or methods or input_itself or lpips:
            raise typer.BadParameter("--no-reference goes with --measure, --target and --csv only")
        without_reference(no_reference, target, measure or [], csv, json, quiet)
        return
    if task is None or measure:
        raise typer.BadParameter("name a task, or give --no-reference; --measure goes with that")
    if sigma is not None and not math.isfinite(sigma):
        raise typer.BadParameter(f"--sigma is {sigma}; it must be a finite number")
    computing: dict[str, Any] = {"quality": quality, "stages": stages, "device": device}
    computing |= {"precision": precision, "tile": tile, "reduce": reduce}
    if video is not None:
        if source is not None or methods or input_itself or lpips or csv is not None:
            others = "--input, --methods, --input-itself, --lpips and --csv"
            raise typer.BadParameter(f"--video goes without {others}")
        if target is not None and sigma is not None:
            raise typer.BadParameter("--video takes --target or --sigma, not both")
        _clip(task, video, target, sigma, model, json, **computing)
        return
    if target is None:
        raise typer.BadParameter("give --target, or --video")
    if (source is None) == (sigma is None):
        raise typer.BadParameter("give one of --input and --sigma")
    options = {"methods": methods, "input_itself": input_itself} | computing
    _pictures(task, source, target, sigma, model, lpips or [], csv, json, quiet, **options)


def _pictures(
    task: str,
    source: Path | None,
    target: Path,
    sigma: float | None,
    model: str | None,
    lpips: list[str],
    csv: Path | None,
    json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    from restore.evaluate import protocol, report, subjects
    from restore.evaluate.table import Table

    metrics = protocol.metrics_of(task, lpips)
    if source is not None:
        cases, conditions = report.paired_cases(source, target), protocol.COMMON
    else:
        cases = report.gaussian_cases(target, sigma or 0.0)
        conditions = f"{protocol.COMMON}; {protocol.GAUSSIAN}"
    compared = subjects.choose(task, model, say=lambda note: typer.echo(note, err=True), **options)
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
