"""`restore weights average FIRST SECOND OUT`: a model between two others."""

from pathlib import Path
from typing import Annotated

import typer


def average(
    first: Annotated[str, typer.Argument(help="A model's name, or a .safetensors file.")],
    second: Annotated[str, typer.Argument(help="Another of the same head and network.")],
    target: Annotated[Path, typer.Argument(metavar="OUT.safetensors")],
    share: Annotated[float, typer.Option(min=0, max=1, help="Share of SECOND.")] = 0.5,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT.")] = False,
) -> None:
    """Average the weights of two models, such as one before and after fine-tuning."""
    from restore.checkpoints import average as averaging
    from restore.checkpoints import store

    models = store.locate(first), store.locate(second)
    card = averaging.average(*models, target, share, overwrite)
    typer.echo(f"{1 - share:g} x {first} + {share:g} x {second} -> {target} ({card.task})")
