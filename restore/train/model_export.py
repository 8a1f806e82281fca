"""From a run to a model file: the averaged weights, and a card with their history."""

from __future__ import annotations

import platform
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from restore.checkpoints import weights
from restore.checkpoints.card import Card, TrainingSet
from restore.engine.tile_options import windowed
from restore.networks import NetworkConfig, variants
from restore.train.config import SMALL
from restore.train.loop import Trainer
from restore.train.planning import Plan

CUSTOM = "custom"


def export(trainer: Trainer, target: Path, plan: Plan, licence: str) -> Card:
    """Write the averaged weights of a run as float16, with a card, and return the card.

    `weights.load` widens the weights again; figures are measured on the result. A fine-tuned
    model takes from its ancestor what belongs to the network: variant, paper, memory per pixel,
    tile policy and training patch (the larger of both). It lists the training data of both. Its
    only precision is float32, and it has no figures, since both depend on the weights and have to
    be measured. Raises `CheckpointError`.
    """
    config = trainer.config
    ancestor = plan.ancestor.card if plan.ancestor else None
    patch = max(min(patch) for patch in config.patches)
    variant = variant_of(config.network)
    same = ancestor if ancestor is not None and ancestor.network == config.network else None
    if same is not None:
        patch = max(patch, same.training_patch or 0)
        variant = same.variant if variant == CUSTOM else variant
    card = Card(
        name=target.stem,
        task=config.task,
        network=config.network,
        sha256="",
        variant=variant,
        licence=licence,
        tile=(same.tile if same else None) or windowed(patch),
        training_patch=patch,
        training_data=(
            *(ancestor.training_data if ancestor else ()),
            *(TrainingSet(source.name, "unknown") for source in plan.sources),
        ),
        source={"trained_by": "restore train", "machine": platform.machine()} | _models(plan),
        training=config.to_dict()
        | {"patches_seen": trainer.patches, "sources": trainer.sampler.sources}
        | _stretches(trainer),
    )
    if same is not None:
        card = replace(card, memory=same.memory, paper=same.paper)
    return weights.save(trainer.ema, card, target, dtype=torch.float16)


def variant_of(network: NetworkConfig) -> str:
    """Return the name of a network: "small", an official one such as "S-1", or "custom"."""
    names = {config: name for name, config in variants().items()} | {SMALL: "small"}
    return names.get(network, CUSTOM)


def _models(plan: Plan) -> dict[str, str]:
    """Name the models that the run learned from, with the hash of their weights."""
    config = plan.config
    found: dict[str, str] = {}
    if plan.ancestor is not None:
        found |= {"from": config.init, "from_licence": plan.ancestor.card.licence}
    if plan.target_model is not None:
        licence = plan.target_model.card.licence
        found |= {"targets_from": config.target_model, "targets_licence": licence}
    return found


def _stretches(trainer: Trainer) -> dict[str, Any]:
    """List the schedules of a run that was lengthened."""
    if len(trainer.stretches) == 1:
        return {}
    return {"stretches": [asdict(stretch) for stretch in trainer.stretches]}
