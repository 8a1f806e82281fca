"""`restore train TASK`: make a model from pictures."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from restore.cli.console import Reporter
from restore.cli.options import Device, Devices, Quiet, Threads
from restore.errors import UsageError


def train(
    task: Annotated[str, typer.Argument(help="denoise, deblur, derain, dehaze or enhance.")],
    run: Annotated[
        Path | None,
        typer.Option(
            "--run",
            "--into",  # torchrun takes --run for an option of its own
            help="Folder of the run: its log and state. The same command resumes it; more "
            "--steps lengthen it once it is finished.",
        ),
    ] = None,
    clean: Annotated[
        list[str] | None,
        typer.Option(
            metavar="DIR[=WEIGHT]",
            help="Clean pictures, degraded on the fly. May be repeated; patches are drawn in "
            "proportion to the weights (1 if not given).",
        ),
    ] = None,
    pairs: Annotated[
        list[str] | None,
        typer.Option(
            metavar="DIR[=WEIGHT]",
            help="Pairs: input/ and target/ with equal names, or a pairs.csv. May be repeated.",
        ),
    ] = None,
    depth: Annotated[
        list[str] | None,
        typer.Option(
            metavar="DIR[=WEIGHT]",
            help="Clean pictures with depth, for dehaze: a depth.csv. May be repeated.",
        ),
    ] = None,
    rehearse: Annotated[
        list[str] | None,
        typer.Option(
            metavar="DIR[=WEIGHT]",
            help="Degraded pictures; --target-model makes their targets. May be repeated.",
        ),
    ] = None,
    distill: Annotated[
        list[str] | None,
        typer.Option(
            metavar="DIR[=WEIGHT]",
            help="Clean pictures, degraded target_draws times each (a field of --config); "
            "--target-model makes the targets. May be repeated.",
        ),
    ] = None,
    target_model: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="Model whose output --rehearse and --distill train towards (a name or a file).",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Model file to write at the end (.safetensors).")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="JSON of training fields; see --print-config.")
    ] = None,
    print_config: Annotated[
        bool,
        typer.Option(
            "--print-config",
            help="Print the whole configuration, as --config reads it, and exit.",
        ),
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the model file if it exists.")
    ] = False,
    licence: Annotated[str, typer.Option(help="Licence of the weights, for the card.")] = "unknown",
    steps: Annotated[int | None, typer.Option(min=1, help="Optimizer steps.")] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, max=2**63 - 1, help="Seed of everything random in the run.")
    ] = None,
    init: Annotated[
        str | None, typer.Option(help="Start from this model, of any task (a name or a file).")
    ] = None,
    network: Annotated[
        str | None,
        typer.Option(
            help="Published shape to train from fresh weights, such as S-1; a wrong name lists all."
        ),
    ] = None,
    threads: Threads = None,
    device: Device = "auto",
    devices: Devices = 1,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Also write TensorBoard files into the run.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Train a head on your pictures, or go on with an interrupted or finished run."""
    if run is None and not print_config:
        raise UsageError("give --run DIR, the folder of the run")
    from restore.train import job
    from restore.train.planning import plan
    from restore.train.sources import Source

    folders = {
        "clean": clean,
        "pairs": pairs,
        "depth": depth,
        "rehearse": rehearse,
        "distill": distill,
    }
    sources = [Source.parse(kind, text) for kind, texts in folders.items() for text in texts or ()]
    shape = None if network is None else {"variant": network}
    changes = {"steps": steps, "seed": seed, "network": shape}
    planned = plan(task, sources, config, init, devices, target_model, **changes)
    if run is None or print_config:
        print(json.dumps(planned.described(), indent=1))
        return

    def say(line: str) -> None:
        if not quiet:
            print(line, file=sys.stderr, flush=True)  # above the bar, where there is one

    bar = sys.stderr.isatty() and not quiet
    with Reporter(quiet=not bar).progress(f"train {task}") as progress:
        outcome = job.run(
            planned,
            run,
            out=out,
            overwrite=overwrite,
            licence=licence,
            place=job.Place(device, devices, threads),
            tensorboard=tensorboard,
            say=say,
            progress=progress,
        )
    if outcome:  # of several processes only the first has one
        Reporter(quiet=quiet).result(outcome)
