"""Measured properties of official models, which this package contains and their files lack.

``weights/official/NAME.json`` holds the results of the committed script. It is merged into a card
when the card is read, so that a newer package also updates models that were pulled before.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from restore.checkpoints import zoo
from restore.checkpoints.card import Card
from restore.errors import CheckpointError

FIELDS = ("figures", "precisions", "memory", "tile")


def merged(card: Card, folder: Path) -> Card:
    """Return the card of a known official model with the contents of ``folder/NAME.json``; others
    unchanged.

    Measured figures precede published ones. ``precisions`` and ``tile`` are replaced. Memory that
    the user has measured (`restore weights measure`) is kept. Raises `CheckpointError` for a
    malformed file.
    """
    known = zoo.by_model(card.sha256) if card.sha256 else None
    if known is None:
        return card
    path = folder / f"{known.name}.json"
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return card
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: cannot be read: {error}") from error
    if not isinstance(values, dict) or not values.keys() <= set(FIELDS):
        raise CheckpointError(f"{path}: may hold {', '.join(FIELDS)} and nothing else")
    try:
        found = Card.from_dict(card.to_dict() | values)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    figures = found.figures if "figures" in values else ()
    said = {replace(figure, value=0) for figure in figures}
    others = tuple(figure for figure in card.figures if replace(figure, value=0) not in said)
    return replace(
        card,
        figures=(*figures, *others),
        precisions=found.precisions,
        tile=found.tile,
        memory=_memory(found.memory, card.memory),
    )


def _memory(measured: Any, own: Any) -> dict[str, dict[str, float]]:
    return {
        device: {**measured.get(device, {}), **own.get(device, {})}
        for device in sorted({*measured, *own})
    }
