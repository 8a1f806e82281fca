"""The weights of a model file as arrays, for programs without torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors import SafetensorError, safe_open

from restore.checkpoints.card import verify
from restore.errors import CheckpointError

if TYPE_CHECKING:
    from restore.checkpoints.store import Model

SCALE = ".scale"
"""Ending of the tensor that holds the scales of another, which is stored at 8 bits."""


def read_arrays(model: Model) -> dict[str, np.ndarray]:
    """Read all tensors of a model file as float32 arrays, by name.

    The caller checks whether they belong to the model's network. Raises `CheckpointError` for a
    file that is damaged or does not match its card.
    """
    verify(model.path, model.stored or model.card)
    try:
        return _expanded(model.path)
    # numpy has no bfloat16 of its own, and raises TypeError.
    except (OSError, SafetensorError, TypeError, ValueError) as error:
        raise CheckpointError(f"{model.path}: cannot be read as arrays: {error}") from error


def _expanded(path: Path) -> dict[str, np.ndarray]:
    arrays: dict[str, np.ndarray] = {}
    with safe_open(path, framework="np") as file:
        names = set(file.keys())
        for name in sorted(names):
            if name.endswith(SCALE) and name.removesuffix(SCALE) in names:
                continue
            array = file.get_tensor(name).astype(np.float32)
            if name + SCALE in names:
                array *= file.get_tensor(name + SCALE).astype(np.float32)
            arrays[name] = array
    return arrays
