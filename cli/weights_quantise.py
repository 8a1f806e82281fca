"""`restore weights quantise MODEL OUT`: a model at 8 bits a weight."""

from pathlib import Path
from typing import Annotated

import typer


def quantise(
    model: Annotated[str, typer.Argument(help="A model's name, or a .safetensors file.")],
    target: Annotated[Path, typer.Argument(metavar="OUT.safetensors")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT.")] = False,
) -> None:
    """Store a model at 8 bits a weight, in about a quarter of the bytes."""
    from restore.checkpoints import store

    card = store.quantise(model, target, overwrite)
    size = target.stat().st_size
    typer.echo(f"{model} -> {target} ({card.parameters:,} parameters, {size / 1e6:.1f} MB)")
