"""`restore weights`: convert, download and check model files."""

from pathlib import Path
from typing import Annotated

import typer

from restore.cli.console import COULD_NOT_RESTORE, Reporter
from restore.cli.cut import cut
from restore.cli.options import Debug, Quiet

app = typer.Typer(help="Convert, download and check model files.", no_args_is_help=True)
app.command()(cut)


@app.command()
def convert(
    source: Annotated[Path, typer.Argument(metavar="FILE.npz", help="An official checkpoint.")],
    target: Annotated[Path, typer.Argument(metavar="OUT.safetensors")],
    task: Annotated[str, typer.Option(help="What the checkpoint was trained for.")],
    variant: Annotated[str, typer.Option(help="S-1, S-2, S-3, M-1, M-2 or M-3.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT.")] = False,
    debug: Debug = False,
) -> None:
    """Turn an official .npz checkpoint into a model file with a card."""
    from restore.checkpoints import store

    card = store.convert(source, target, task, variant, overwrite)
    typer.echo(f"{source} -> {target} ({card.parameters:,} parameters, {card.task}, {variant})")


@app.command()
def pull(
    name: Annotated[str, typer.Argument(help="An available model (see: restore models).")],
    sha256: Annotated[
        str | None, typer.Option(help="Accept only a download with this SHA-256.")
    ] = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Download an official checkpoint and convert it."""
    from restore.checkpoints import store

    reporter = Reporter(quiet=quiet)
    with reporter.progress(name, of_bytes=True) as progress:
        model = store.pull(name, sha256, progress)
    reporter.result(
        f"{model.card.name} is installed ({model.path}; use: restore {model.card.task} IN OUT "
        f"--model {model.card.name})"
    )


@app.command()
def measure(
    task: Annotated[str, typer.Argument(help="The head that the model is for.")],
    model: Annotated[str, typer.Argument(help="Its name, or a .safetensors file.")],
    debug: Debug = False,
) -> None:
    """Find out how much memory a model takes and write it on its card, for --max-memory."""
    from dataclasses import replace

    from restore.checkpoints import store
    from restore.checkpoints.weights import write_card
    from restore.engine import footprint
    from restore.engine.precision import PRECISIONS

    found = store.find(task, model)
    by_precision = footprint.on_cpu(task, found.path, list(PRECISIONS))
    write_card(replace(found.card, memory={**found.card.memory, "cpu": by_precision}), found.path)
    sizes = ", ".join(f"{size:,.0f} in {name}" for name, size in by_precision.items())
    typer.echo(f"{found.path}: bytes a pixel: {sizes}")


@app.command()
def verify(debug: Debug = False) -> None:
    """Check every installed model against the SHA-256 on its card."""
    from restore.checkpoints import store

    bad = checked = 0
    for path, problem in store.verify_all():
        typer.echo(f"ok       {path}" if problem is None else f"DAMAGED  {problem}")
        checked += 1
        bad += problem is not None
    if not checked:
        typer.echo("no models are installed")
    if bad:
        raise typer.Exit(COULD_NOT_RESTORE)


@app.command()
def quantise(
    model: Annotated[str, typer.Argument(help="A model's name, or a .safetensors file.")],
    target: Annotated[Path, typer.Argument(metavar="OUT.safetensors")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT.")] = False,
    debug: Debug = False,
) -> None:
    """Store a model at 8 bits a weight, in about a quarter of the bytes."""
    from restore.checkpoints import store

    card = store.quantise(model, target, overwrite)
    size = target.stat().st_size
    typer.echo(f"{model} -> {target} ({card.parameters:,} parameters, {size / 1e6:.1f} MB)")
