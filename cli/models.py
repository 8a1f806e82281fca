"""`restore models`: what is installed, and what could be."""

from typing import Annotated, Any

import typer

from restore.cli.console import to_json
from restore.cli.options import Debug

_SHOWN = ("name", "task", "variant", "parameters", "licence", "training_data", "limits", "figures")


def models(
    json: Annotated[bool, typer.Option("--json", help="Print the list as JSON.")] = False,
    debug: Debug = False,
) -> None:
    """List all models: shipped, downloaded and available."""
    from restore.checkpoints import store

    listed = store.catalogue()
    if json:
        rows = [{"state": state} | _row(card) for card, state in listed]
        typer.echo(to_json(rows, indent=1))
        return
    for card, state in listed:
        parameters = f"{(card.parameters or 0) / 1e6:.1f} M parameters"
        typer.echo(f"{card.name:22} {card.task:8} {state:10} {parameters}, {card.variant}")
        data = "; ".join(f"{d.name} ({d.licence})" for d in card.training_data) or "unknown"
        typer.echo(f"    licence: {card.licence}")
        typer.echo(f"    trained on: {data}")
        if card.limits:
            typer.echo(f"    limits: {card.limits}")
        for figure in card.figures:
            typer.echo(f"    {figure}")


def _row(card: Any) -> dict[str, Any]:
    values = card.to_dict()
    return {key: values[key] for key in _SHOWN}
