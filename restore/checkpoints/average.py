"""Average the weights of two models.

Fine-tuning loses part of what the original model had learned. Weights between the two can keep most
of both: "Robust fine-tuning of zero-shot models" (CVPR 2022, arXiv:2109.01903).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from restore.checkpoints import weights
from restore.checkpoints.card import Card
from restore.checkpoints.store import Model
from restore.errors import CheckpointError, UsageError


def average(
    first: Model, second: Model, target: Path, share: float = 0.5, overwrite: bool = False
) -> Card:
    """Write the model ``(1 - share) * first + share * second`` and return its card.

    The card is that of ``second`` without figures. Its source, licence and training data are those
    of both, its precisions those that both have.

    Raises `UsageError` for a share outside [0, 1], and `CheckpointError` for models of different
    networks or heads, and where the file cannot be written.
    """
    if not 0 <= share <= 1:
        raise UsageError(f"share is {share!r}; it must be between 0 and 1")
    cards = first.card, second.card
    if cards[0].network != cards[1].network or cards[0].task != cards[1].task:
        raise CheckpointError(
            f"{cards[0].name} and {cards[1].name} differ in head or network; only models of one "
            "shape can be averaged"
        )
    weights.check_target(target, overwrite)
    network = weights.load(first.path, first.card)
    other = weights.load(second.path, second.card).state_dict()
    for name, tensor in network.state_dict().items():
        tensor.lerp_(other[name], share)
    origin = {
        "models": [f"{card.name} {card.sha256}" for card in cards],
        "share_of_second": share,
    }
    source = {**second.card.source, "averaged": origin}
    card = replace(
        second.card,
        name=target.stem,
        figures=(),
        source=source,
        licence=" and ".join(dict.fromkeys(card.licence for card in cards)),
        precisions=tuple(p for p in cards[1].precisions if p in cards[0].precisions),
        training_data=tuple(dict.fromkeys(one for card in cards for one in card.training_data)),
    )
    return weights.save(network, card, target)
