"""Memory limits: the amount that is free, and the amount that a user allows."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from restore.engine import control_groups
from restore.errors import RestoreError, UsageError

if TYPE_CHECKING:
    from restore.engine.precision import DeviceLike

SHARE = 0.6
"""Fraction of the free memory that is used by default."""
SMALLEST = 64
"""Pixels per side, below which tiles show a network too little."""
_UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


class NotEnoughMemoryError(RestoreError):
    """A tile that does not fit into memory; a smaller one may."""


def parsed(amount: str) -> int:
    """Parse "4GiB", "800 MB" or "1.5g" to bytes; all units are powers of 1024. Raises
    `UsageError`."""
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([kmgt]?)(?:i?b)?", amount.strip().lower())
    if not found or not float(found[1]):
        raise UsageError(f"max_memory is {amount!r}; use a size such as 4GiB or 800MiB")
    return round(float(found[1]) * _UNITS[found[2]])


def free(device: DeviceLike) -> int:
    """Return the free bytes of a device: of a GPU, or of the machine or of the control groups of
    this process."""
    if device.type == "cuda" and "torch" in sys.modules:
        return int(sys.modules["torch"].cuda.mem_get_info(device.index)[0])
    import psutil

    available = int(psutil.virtual_memory().available)
    left = control_groups.memory_left()
    return available if left is None else min(available, left)


def share_of_free(device: DeviceLike) -> int:
    """Return the bytes that are used by default."""
    return int(SHARE * free(device))


@contextmanager
def memory_errors_told_apart() -> Iterator[None]:
    """Raise `NotEnoughMemoryError` for errors of a backend that has run out of memory."""
    try:
        yield
    except Exception as error:
        # On a CPU neither torch nor ONNX Runtime has a type of its own for this.
        signs = ("can't allocate memory", "Failed to allocate memory")
        torch = sys.modules.get("torch")
        out_of_memory = torch is not None and isinstance(error, torch.OutOfMemoryError)
        if out_of_memory or any(sign in str(error) for sign in signs):
            raise NotEnoughMemoryError("not enough memory") from error
        raise
