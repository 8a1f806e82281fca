"""`restore bench`: how fast things are on this machine."""

from dataclasses import asdict
from typing import Annotated

import typer

from restore.cli.console import Reporter
from restore.cli.options import Debug, Device, Devices, Threads

app = typer.Typer(help="Measure speed on this machine.", no_args_is_help=True)


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
    debug: Debug = False,
) -> None:
    """Time training: forward, backward, optimizer and degradation, on made-up pictures."""
    from restore.train import bench, job

    config = job.plan(task, (), devices=devices, pixels_per_step=batch * bench.SIDE**2).config
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
