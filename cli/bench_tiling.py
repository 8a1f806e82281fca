"""`restore bench tiling`: compare ways of cutting large pictures."""

from pathlib import Path
from typing import Annotated

import typer

from restore.cli.console import Reporter
from restore.cli.options import Device, Precision
from restore.cli.values import picture_size


def tiling(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model's name or file.")],
    tiles: Annotated[
        list[str] | None,
        typer.Option("--tile", help="As of the heads; may be repeated. Default: off, auto."),
    ] = None,
    overlaps: Annotated[
        list[int] | None,
        typer.Option("--overlap", min=0, help="For each tile; may be repeated. Default: the card."),
    ] = None,
    pairs: Annotated[
        Path | None,
        typer.Option(help="Folder with input/ and target/: pictures of the same names."),
    ] = None,
    clean: Annotated[
        Path | None, typer.Option(help="Instead of --pairs: folder of true pictures, for --sigma.")
    ] = None,
    sigma: Annotated[
        float | None, typer.Option(min=0, help="Gaussian noise added to those of --clean (0-255).")
    ] = None,
    size: Annotated[str, typer.Option(help="WIDTHxHEIGHT of the picture timed.")] = "2048x1536",
    device: Device = "auto",
    precision: Precision = "auto",
    rounds: Annotated[int, typer.Option(min=1, help="How often each is timed.")] = 3,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON line.")] = False,
) -> None:
    """Compare ways of cutting large pictures: PSNR, seams, seconds a megapixel, memory."""
    from restore.benchmark import tilings
    from restore.evaluate import protocol, report

    width, height = picture_size(size)
    if pairs is not None and clean is None and sigma is None:
        cases, conditions = report.paired_cases(pairs / "input", pairs / "target"), protocol.COMMON
    elif pairs is None and clean is not None and sigma is not None:
        cases = report.gaussian_cases(clean, sigma)
        conditions = f"{protocol.COMMON}; {protocol.GAUSSIAN}"
    else:
        raise typer.BadParameter("give --pairs, or --clean with --sigma")
    ways = tilings.ways(tiles or ["off", "auto"], overlaps or ())
    reporter, options = Reporter(json), {"device": device, "precision": precision}
    with reporter.progress("pictures") as progress:
        qualities = tilings.qualities(model, ways, cases, progress, **options)
    with reporter.progress("rounds") as progress:
        speeds = tilings.speeds(model, ways, (height, width), rounds, progress, **options)
    rows = [tilings.Tiling(*row) for row in zip(ways, qualities, speeds, strict=True)]
    reporter.result(tilings.table(rows, conditions), rows=[row.to_dict() for row in rows])
