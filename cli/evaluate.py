"""`restore eval TASK`: how good a model is on a set of pictures."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from restore.cli.console import Reporter
from restore.cli.task import Device, Model, Precision, Tile


def evaluate(
    task: Annotated[str, typer.Argument(help="denoise, deblur, derain, dehaze or enhance.")],
    target: Annotated[Path, typer.Option(help="Folder of the true pictures.")],
    source: Annotated[
        Path | None, typer.Option("--input", help="Folder of degraded pictures of the same names.")
    ] = None,
    sigma: Annotated[
        float | None,
        typer.Option(min=0, help="Instead of --input: add Gaussian noise of this level (0-255)."),
    ] = None,
    model: Model = None,
    device: Device = "auto",
    precision: Precision = "auto",
    tile: Tile = "auto",
    json: Annotated[bool, typer.Option("--json", help="Print rows and mean as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the mean alone.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    """Measure PSNR and SSIM against the true pictures.

    On RGB, rounded to 8 bits, without cropping borders.
    """
    if (source is None) == (sigma is None):
        raise typer.BadParameter("give one of --input and --sigma")
    from restore import Restorer
    from restore.evaluate import report

    restorer = Restorer(task, model, device=device, precision=precision, tile=tile)
    if source is not None:
        cases, protocol = report.paired_cases(source, target), report.PROTOCOL
    else:
        cases = report.gaussian_cases(target, sigma or 0.0)
        protocol = f"{report.PROTOCOL}; {report.GAUSSIAN}"
    rows = []
    if not (quiet or json):
        typer.echo(f"{'picture':24} {'input PSNR':>10} {'PSNR':>8} {'SSIM':>7}")
    for row in report.evaluate(restorer, cases):
        rows.append(row)
        if not (quiet or json):
            typer.echo(_line(row))
    mean = report.mean(rows)
    Reporter(json).result(
        f"{_line(mean)}\n{restorer.card.name}, {restorer.compute.precision}, tile {tile}; "
        f"{protocol}",
        model=restorer.card.name,
        precision=restorer.compute.precision,
        tile=tile,
        protocol=protocol,
        mean=asdict(mean),
        rows=[asdict(row) for row in rows],
    )


def _line(row: object) -> str:
    values = asdict(row)  # type: ignore[call-overload]
    return (
        f"{values['name']:24} {values['input_psnr']:10.3f} {values['psnr']:8.3f} "
        f"{values['ssim']:7.4f}"
    )
