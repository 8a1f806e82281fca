"""The shipped models of heads that the judge asks, as functions, read once."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from restore.checkpoints import store
from restore.checkpoints.card import read_card
from restore.engine import precision
from restore.errors import CheckpointError
from restore.networks.judge.config import JudgeConfig

if TYPE_CHECKING:
    from torch import Tensor

    from restore.networks.judge.network import AskedHeads
    from restore.networks.judge.responses import Restore


def asked_heads(config: JudgeConfig, models: Mapping[str, str]) -> AskedHeads:
    """Return the networks that a judge asks; ``models`` gives the SHA-256 of each.

    Raises `CheckpointError` for a model that is missing, damaged, or another than the judge knows.
    """
    from restore.networks.judge.network import AskedHeads

    return AskedHeads(
        tuple(_restore(name, models[name]) for name in config.place_models),
        tuple(_restore(name, models[name]) for name in config.scene_models),
    )


def shipped(config: JudgeConfig) -> dict[str, str]:
    """Return the SHA-256 of each shipped model that a judge asks."""
    names = (*config.place_models, *config.scene_models)
    return {name: read_card(_path(name)).sha256 for name in names}


def _path(name: str) -> Path:
    return store.shipped_folder() / f"{name}.safetensors"


@functools.cache
def _restore(name: str, sha256: str) -> Restore:
    """Return N x 3 x H x W -> the same, restored on the CPU by a shipped model."""
    import torch

    from restore.checkpoints import weights

    path = _path(name)
    card = read_card(path)
    if card.sha256 != sha256:
        raise CheckpointError(f"{path}: not the model that the judge of pictures was fitted to")
    dtype = precision.choose("cpu", "auto", card).dtype
    # As it is: networks made fast are no faster on images this small.
    network = weights.load(path, card).to(dtype)
    network = network.to(memory_format=torch.channels_last)

    def restore(images: Tensor) -> Tensor:
        given = images.to(dtype).contiguous(memory_format=torch.channels_last)
        restored: Tensor = network(given)
        return restored.float()

    return restore
