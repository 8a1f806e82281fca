"""Verification of model files: against their cards, and against the official checkpoints."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from restore.checkpoints import zoo
from restore.checkpoints.card import card_path, read_card, verify, verify_sha256
from restore.checkpoints.zoo import OFFICIAL
from restore.errors import CheckpointError
from restore.files import sha256_of


@dataclass(frozen=True)
class Verdict:
    """The outcome for one model file."""

    path: Path
    word: str
    """"official", "ok", "MISSING", "NO CARD", "BAD CARD", "DAMAGED" or "NOT OFFICIAL"."""
    problem: str | None = None
    """One line for the last five."""


def examine(path: Path) -> Verdict:
    """Verify a model file by its SHA-256.

    A file is "official" if the catalogue knows its SHA-256, and "ok" if its card states it.
    """
    if not path.is_file():
        return Verdict(path, "MISSING", f"{path}: no such model file")
    if not card_path(path).is_file():
        return Verdict(path, "NO CARD", _without_card(path))
    try:
        card = read_card(path)
    except CheckpointError as error:
        return Verdict(path, "BAD CARD", str(error))
    try:
        verify(path, card)
    except CheckpointError as error:
        return Verdict(path, "DAMAGED", str(error))
    if zoo.by_model(card.sha256):
        return Verdict(path, "official")
    claimed = OFFICIAL.get(card.name)
    if claimed is not None and claimed.pins is not None:
        return Verdict(
            path,
            "NOT OFFICIAL",
            f"{path}: matches its card, but is not the official {card.name}; get that with: "
            f"restore weights pull {card.name}",
        )
    return Verdict(path, "ok")


def examine_judge(path: Path) -> Verdict:
    """Check the judge of `restore.inspect` by the SHA-256 on its card, which is of another form."""
    if not path.is_file():
        return Verdict(path, "MISSING", f"{path}: the judge of pictures is not installed")
    card = card_path(path)
    try:
        expected = str(json.loads(card.read_text(encoding="utf-8"))["sha256"])
    except FileNotFoundError:
        return Verdict(path, "NO CARD", _without_card(path))
    except (OSError, ValueError, KeyError, TypeError):
        return Verdict(path, "BAD CARD", f"{card}: not the card of a judge")
    try:
        verify_sha256(path, expected)
    except CheckpointError as error:
        return Verdict(path, "DAMAGED", str(error))
    return Verdict(path, "ok")


def _without_card(path: Path) -> str:
    message = f"{path}: has no card; expected {card_path(path).name} next to it"
    try:
        known = zoo.by_model(sha256_of(path))
    except OSError as error:
        return f"{message} ({error.strerror or error})"
    if known is None:
        return message
    return (
        f"{message}. Its content is the official {known.name}, which this installs with its card: "
        f"restore weights pull {known.name}"
    )
