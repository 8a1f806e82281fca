"""`restore weights cut MODEL OUT --stages 1`: a shorter network as a model of its own."""

from pathlib import Path
from typing import Annotated

import typer

from restore.cli.options import Overwrite


def cut(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="A model's name (see: restore models) or a .safetensors file."
        ),
    ],
    target: Annotated[Path, typer.Argument(metavar="OUT.safetensors")],
    stages: Annotated[int, typer.Option(metavar="N", help="Stages to keep, from the first.")],
    overwrite: Overwrite = False,
) -> None:
    """Write the first stages of a model as a model of its own, with a card."""
    from restore.checkpoints import store

    found = store.locate(model)  # complains of a missing model before torch is loaded

    from restore.checkpoints.cut import write_cut

    card = write_cut(found, target, stages, overwrite)
    typer.echo(
        f"{model} -> {target} ({card.parameters:,} parameters, {card.task}, {card.variant}, "
        f"{stages} of {found.card.network.num_stages} stages)"
    )
