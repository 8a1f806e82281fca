"""`restore train TASK`: make a model from pictures."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from restore.cli.console import Reporter
from restore.cli.task import Device


def train(
    task: Annotated[str, typer.Argument(help="denoise, for now.")],
    run: Annotated[Path, typer.Option(help="Folder of the run: its log and state. Resumes.")],
    clean: Annotated[
        list[Path] | None, typer.Option(help="Folder of clean pictures; may be repeated.")
    ] = None,
    pairs: Annotated[
        list[Path] | None, typer.Option(help="Folder with input/ and target/; may be repeated.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Model file to write at the end (.safetensors).")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="JSON of training fields; see TrainConfig.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the model file if it exists.")
    ] = False,
    licence: Annotated[str, typer.Option(help="Licence of the weights, for the card.")] = "unknown",
    steps: Annotated[int | None, typer.Option(min=1, help="Optimizer steps.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="What fixes the run.")] = None,
    init: Annotated[
        str | None, typer.Option(help="Start from this model (a name or a file).")
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads.")] = None,
    device: Device = "auto",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    """Train a head on your pictures, or go on with an interrupted run."""
    from restore.train import job

    plan = job.plan(task, config, steps=steps, seed=seed, init=init)
    # A terminal gets a bar, anything else a line a report; both together would overwrite each
    # other. The run's log.csv has it all in either case.
    lines = not sys.stderr.isatty()
    with Reporter(quiet=quiet or lines).progress(f"train {task}") as progress:
        outcome = job.run(
            plan,
            run,
            clean=tuple(clean or ()),
            pairs=tuple(pairs or ()),
            out=out,
            overwrite=overwrite,
            licence=licence,
            device=device,
            threads=threads,
            say=lambda line: typer.echo(line, err=True) if lines and not quiet else None,
            progress=progress,
        )
    Reporter(quiet=quiet).result(outcome)
