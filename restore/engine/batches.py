"""How many pictures, or tiles of them, go through the network at once."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from restore.networks import Pair

if TYPE_CHECKING:
    import torch

FILLS_A_GPU = 2**18
"""Pixels that keep a GPU busy: of pictures with half of them or fewer it takes several at once."""
MOST_AT_ONCE = 8


def batch_size(device: torch.device, size: Pair) -> int:
    """How many pictures of (height, width) are restored together.

    On a CPU one, which keeps it busy and is exactly what a single picture would become: among
    others, the last digits of float32 differ. On a GPU a power of two, so that who goes on after a
    multiple of `MOST_AT_ONCE` frames gets the same groups, and so the same digits.
    """
    if device.type != "cuda":
        return 1
    fitting = min(max(1, FILLS_A_GPU // (size[0] * size[1])), MOST_AT_ONCE)
    return 1 << (fitting.bit_length() - 1)


def tiles_at_once(device: torch.device, size: Pair, row: int, pictures: int = 1) -> int:
    """How many of a ``row`` of so many tiles of (height, width) are restored together, in so many
    ``pictures`` at a time: one of each at least, and otherwise no more in all than `batch_size`
    says.

    A row goes in the fewest groups, all equal but for the last: a GPU has to warm up for each size.
    """
    most = max(1, batch_size(device, size) // pictures)
    groups = math.ceil(row / most)
    return math.ceil(row / groups)
