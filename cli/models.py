"""`restore models`: what is installed, and what could be."""

from __future__ import annotations

import json as json_
from typing import Annotated, Any

import typer


def models(
    json: Annotated[bool, typer.Option("--json", help="Print the list as JSON.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    """List all models: shipped, downloaded and available."""
    from restore.checkpoints import store

    listed = store.catalogue()
    if json:
        typer.echo(json_.dumps([_row(card, origin) for card, origin in listed], indent=1))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("model", "task", "parameters", "state", "licence", "training data", "figures")
    for card, origin in listed:
        table.add_row(
            card.name,
            card.task,
            f"{(card.parameters or 0) / 1e6:.1f} M",
            origin,
            card.licence,
            ", ".join(data.name for data in card.training_data),
            "\n".join(map(str, card.figures)),
        )
    console = Console()
    # In a pipe nobody can widen the window: never wrap or cut there.
    Console(width=None if console.is_terminal else 300).print(table)


def _row(card: Any, origin: str) -> dict[str, Any]:
    values = card.to_dict()
    keys = ("name", "task", "variant", "parameters", "licence", "training_data", "figures")
    return {"state": origin} | {key: values[key] for key in keys}
