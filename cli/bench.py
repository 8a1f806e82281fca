"""`restore bench`: measure speed on this machine."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from restore.cli.bench_folder import folder, plan
from restore.cli.bench_judge import judge
from restore.cli.bench_tiling import tiling
from restore.cli.console import Reporter
from restore.cli.options import Device
from restore.cli.train_options import Devices, Threads
from restore.cli.values import picture_size

app = typer.Typer(help="Measure speed on this machine, and ways of cutting.", no_args_is_help=True)
for _command in (tiling, folder, plan, judge):
    app.command()(_command)


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
    from restore.benchmark import training_speed
    from restore.train import job
    from restore.train.planning import plan

    config = plan(task, (), devices=devices, pixels_per_step=batch * training_speed.SIDE**2).config
    found = training_speed.measure(config, job.Hardware(device, devices, threads), seconds)
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
        typer.Option(
            "--backend",
            help="torch, onnxruntime, triton (kernels for CUDA GPUs), plain (torch without fused "
            "operators, the reference); may be repeated.",
        ),
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
        int, typer.Option(min=0, help="Also time each while this many processes compute.")
    ] = 0,
    first: Annotated[
        bool, typer.Option("--first", help="Also time the first picture of a new process.")
    ] = False,
    rounds: Annotated[int, typer.Option(min=1, help="How often each is run.")] = 5,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON line.")] = False,
) -> None:
    """Time models on one picture: seconds a megapixel, fractions of the machine's best, memory."""
    from restore.benchmark import model_speed as bench

    width, height = picture_size(size)
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
