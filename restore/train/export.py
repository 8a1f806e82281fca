"""From a run to a model file: the averaged weights, and a card that says how they came to be."""

from __future__ import annotations

import platform
from pathlib import Path

import torch

from restore.checkpoints import weights
from restore.checkpoints.card import BFLOAT16, FLOAT32, Card, TilePolicy, TrainingSet
from restore.train.loop import Trainer

# Statistics of the grid mix and of the global means follow the size of what is seen at once, so
# large pictures are cut into tiles not far from the training patch.
TILES = TilePolicy(size=256, overlap=32, whole_up_to=256 * 256)


def export(trainer: Trainer, target: Path, data: tuple[TrainingSet, ...], licence: str) -> Card:
    """Write the run's averaged weights as float16 with a card; returns the card.

    Half precision halves the file; `load` widens it again, and the card's figures are measured
    on the result. Raises `CheckpointError`.
    """
    config = trainer.config
    card = Card(
        name=target.stem,
        task=config.task,
        network=config.network,
        sha256="",
        variant="small",
        licence=licence,
        precisions=(FLOAT32, BFLOAT16),
        tile=TILES,
        training_patch=max(min(patch) for patch in config.patches),
        training_data=data,
        source={"trained_by": "restore train", "machine": platform.machine()},
        training=config.to_dict() | {"patches_seen": trainer.patches},
    )
    return weights.save(trainer.ema, card, target, dtype=torch.float16)
