"""From a run to a model file: the averaged weights, and a card that says how they came to be."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from pathlib import Path

import torch

from restore.checkpoints import weights
from restore.checkpoints.card import Card, TrainingSet
from restore.engine.policy import windowed
from restore.train.config import SMALL
from restore.train.loop import Trainer
from restore.train.sources import Source


def export(
    trainer: Trainer,
    target: Path,
    sources: Sequence[Source],
    licence: str,
    ancestor: Card | None = None,
) -> Card:
    """Write the run's averaged weights as float16 with a card; returns the card.

    A model that started from another lists what that one has learned from as well. Half precision
    halves the file; `load` widens it again, and figures are measured on the result. The card
    vouches for float32 alone until someone has measured another precision. Raises
    `CheckpointError`.
    """
    config = trainer.config
    patch = max(min(patch) for patch in config.patches)
    card = Card(
        name=target.stem,
        task=config.task,
        network=config.network,
        sha256="",
        variant="small" if config.network == SMALL else "custom",
        licence=licence,
        tile=(ancestor.tile if ancestor else None) or windowed(patch),
        training_patch=patch,
        training_data=(
            *(ancestor.training_data if ancestor else ()),
            *(TrainingSet(source.name, "unknown") for source in sources),
        ),
        source={"trained_by": "restore train", "machine": platform.machine()}
        | ({"from": config.init, "from_licence": ancestor.licence} if ancestor else {}),
        training=config.to_dict()
        | {"patches_seen": trainer.patches, "sources": trainer.sampler.sources},
    )
    return weights.save(trainer.ema, card, target, dtype=torch.float16)
