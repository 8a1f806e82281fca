"""The shipped models of heads that the judge asks, as functions, read once."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from restore.checkpoints import store
from restore.checkpoints.card import read_card
from restore.engine import precision
from restore.errors import CheckpointError
from restore.networks.judge.config import JudgeConfig

if TYPE_CHECKING:
    from torch import Tensor

    from restore.networks.base import RestorationNetwork
    from restore.networks.judge.network import AskedHeads


def asked_heads(config: JudgeConfig, models: Mapping[str, str]) -> AskedHeads:
    """Return the networks that a judge asks; ``models`` gives the SHA-256 of each.

    A model is read when it is first asked, which raises `CheckpointError` for one that is missing,
    damaged, or another than the judge knows.
    """
    from restore.networks.judge.network import AskedHeads

    return AskedHeads(
        *(
            tuple(partial(_restored, name, models[name]) for name in names)
            for names in (config.place_models, config.scene_models)
        )
    )


def shipped(config: JudgeConfig) -> dict[str, str]:
    """Return the SHA-256 of each shipped model that a judge asks."""
    names = (*config.place_models, *config.scene_models)
    return {name: read_card(_path(name)).sha256 for name in names}


def _path(name: str) -> Path:
    return store.shipped_folder() / f"{name}.safetensors"


def _restored(name: str, sha256: str, images: Tensor) -> Tensor:
    """Restore N x 3 x H x W on the CPU by a shipped model."""
    import torch

    network = _network(name, sha256)
    dtype = next(network.parameters()).dtype
    given = images.to(dtype).contiguous(memory_format=torch.channels_last)
    restored: Tensor = network(given)
    return restored.float()


@cache
def _network(name: str, sha256: str) -> RestorationNetwork:
    import torch

    from restore.checkpoints import weights

    path = _path(name)
    card = read_card(path)
    if card.sha256 != sha256:
        raise CheckpointError(f"{path}: not the model that the judge of pictures was fitted to")
    # As it is: networks made fast are no faster on images this small.
    network = weights.load(path, card).to(precision.choose("cpu", "auto", card).dtype)
    return network.to(memory_format=torch.channels_last)
