"""`restore bench`: how fast things are on this machine, and how well ways of cutting work."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from restore.cli.console import Reporter
from restore.cli.options import Device, Devices, Model, Precision, Threads

app = typer.Typer(help="Measure speed on this machine, and ways of cutting.", no_args_is_help=True)


@app.callback()
def _root() -> None:
    pass


@app.command()
def train(
    task: Annotated[str, typer.Argument(help="The head whose training is timed.")] = "denoise",
    device: Device = "auto",
    devices: Devices = 1,
    threads: Threads = None,
    batch: Annotated[
        int, typer.Option(min=1, help="128 x 128 patches that each process sees in a step.")
    ] = 4,
    seconds: Annotated[float, typer.Option(min=1, help="How long to measure.")] = 30.0,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON line.")] = False,
) -> None:
    """Time training: forward, backward, optimizer and degradation, on made-up pictures."""
    from restore.train import bench, job
    from restore.train.planning import plan

    config = plan(task, (), devices=devices, pixels_per_step=batch * bench.SIDE**2).config
    found = bench.measure(config, job.Place(device, devices, threads), seconds)
    if found is None:  # of several processes only the first reports
        return
    Reporter(json).result(
        f"{found.task}: {found.patches_per_second:.1f} patches of 128 x 128 a second (median of "
        f"{found.steps} steps, spread {found.spread:.0%}), {found.of_peak:.0%} of the convolution "
        f"peak, {found.waiting:.1%} of the time waiting for data\n"
        f"{found.device}, {found.precision}, {found.processes} processes with {found.threads} "
        f"threads each, {found.patches_per_step} patches a step",
        **asdict(found),
    )


@app.command()
def folder(
    task: Annotated[str, typer.Argument(help="The head that restores.")] = "denoise",
    model: Model = None,
    device: Device = "auto",
    precision: Precision = "auto",
    pictures: Annotated[int, typer.Option(min=4, help="How many.")] = 100,
    height: Annotated[int, typer.Option(min=1)] = 512,
    width: Annotated[int, typer.Option(min=1)] = 768,
    format_: Annotated[str, typer.Option("--format", help="Of the files: jpg, png, ...")] = "jpg",
    json: Annotated[bool, typer.Option("--json", help="Print one JSON line.")] = False,
) -> None:
    """Time a folder of made-up pictures, as a multiple of the network's own time for them."""
    from restore import Restorer
    from restore.media.formats import checked_ending

    ending = checked_ending(format_)
    restorer = Restorer(task, model, device=device, precision=precision)
    reporter = Reporter(json)
    with reporter.progress("rounds") as progress:
        found = bench.measure(restorer, {}, pictures, (height, width), ending, progress)
    reporter.result(
        f"{found.pictures} pictures of {width} x {height} ({found.format}): {found.folder:.1f} s, "
        f"{found.ratio:.3f} x the network's {found.network:.1f} s\n"
        f"{restorer.card.name}, {restorer.compute.device} {restorer.compute.precision}",
        **asdict(found),
        ratio=found.ratio,
    )


@app.command()
def speed(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[MODEL...]",
            help="Models; by default every head's own. S-1 to M-3: untrained, of official shape.",
        ),
    ] = None,
    size: Annotated[str, typer.Option(help="WIDTHxHEIGHT of the picture.")] = "1024x1024",
    device: Device = "auto",
    precisions: Annotated[
        list[str] | None, typer.Option("--precision", help="May be repeated.")
    ] = None,
    backends: Annotated[
        list[str] | None,
        typer.Option("--backend", help="torch, onnxruntime, triton, plain; may be repeated."),
    ] = None,
    tiles: Annotated[
        list[str] | None, typer.Option("--tile", help="As of the heads; may be repeated.")
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(
            help="A checkout of another version, timed in turns with this, on the models it ships."
        ),
    ] = None,
    busy: Annotated[
        int, typer.Option(min=0, help="Time each also while so many other processes compute.")
    ] = 0,
    first: Annotated[
        bool, typer.Option("--first", help="Also time the first picture of a new process.")
    ] = False,
    rounds: Annotated[int, typer.Option(min=1, help="How often each is run.")] = 5,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON line.")] = False,
) -> None:
    """Time models on one picture: seconds a megapixel, fractions of the machine's best, memory."""
    from restore.evaluate import speed as bench

    width, height = _size(size)
    reporter = Reporter(json)
    with bench.located(models or []) as found, reporter.progress("rounds") as progress:
        settings = bench.settings_for(
            found,
            (height, width),
            device,
            precisions or ["auto"],
            backends or ["torch"],
            against,
            tiles or ["auto"],
        )
        rows = bench.measure(settings, rounds, progress, busy=busy, first=first)
    reporter.result(bench.table(rows), rows=[asdict(row) for row in rows])


@app.command()
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
    from restore.evaluate import protocol, report, tilings

    width, height = _size(size)
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


def _size(text: str) -> tuple[int, int]:
    """(width, height) of "1920x1080"."""
    sides = text.lower().split("x")
    if len(sides) != 2 or not all(side.isdecimal() and int(side) for side in sides):
        raise typer.BadParameter(f"size is {text!r}; say for instance 1920x1080")
    return int(sides[0]), int(sides[1])
