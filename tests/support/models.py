"""A real model small enough for any test: the smallest MAXIM, as a file with its card."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from restore.checkpoints import weights
from restore.checkpoints.card import Card
from restore.networks import initialise
from restore.networks.maxim import MaximConfig
from restore.networks.maxim.network import Maxim

TINY = MaximConfig(
    features=4,
    depth=2,
    num_stages=1,
    block_size_hr=(4, 4),
    block_size_lr=(4, 4),
    grid_size_hr=(4, 4),
    stem_factor=2,
)
MULTIPLE = 32


def tiny_network(identity: bool = False) -> Maxim:
    """Random weights, always the same; or the network that returns its input bit by bit."""
    generator = torch.Generator().manual_seed(0)
    network = initialise(Maxim(TINY), generator, quiet_branches=identity)
    network.eval().requires_grad_(False)
    # Otherwise nearly all it does would lie outside [0, 1] and be clipped away.
    network.stages[0].output_convs[0].weight.mul_(0.02)
    return network


def save_model(
    folder: Path,
    *,
    identity: bool = False,
    change: Callable[[Maxim], object] | None = None,
    name: str = "tiny",
    task: str = "denoise",
    **card: Any,
) -> Path:
    """Write ``name`` into ``folder`` and return the file; ``change`` may alter the network first,
    and ``card`` holds more fields of the card."""
    network = tiny_network(identity)
    if change is not None:
        change(network)
    path = folder / f"{name}.safetensors"
    weights.save(network, Card(name=name, task=task, network=TINY, sha256="", **card), path)
    return path
