"""Memory limits: the amount that is free, and the amount that a user allows."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from restore.errors import RestoreError, UsageError

if TYPE_CHECKING:
    from restore.engine.precision import DeviceLike

SHARE = 0.6
"""Fraction of the free memory that is used by default."""
SMALLEST = 64
"""Pixels per side, below which tiles show a network too little."""
_UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
_CGROUP = Path("/sys/fs/cgroup")


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
    """Return the free bytes of a device: of a GPU, or of the machine or the container."""
    if device.type == "cuda" and "torch" in sys.modules:
        return int(sys.modules["torch"].cuda.mem_get_info(device.index)[0])
    import psutil

    return min([int(psutil.virtual_memory().available), *_left_of_container()])


def _left_of_container() -> list[int]:
    """Bytes below the limit of the container this process runs in, if there is one."""
    try:
        limit = (_CGROUP / "memory.max").read_text().strip()
        taken = int((_CGROUP / "memory.current").read_text())
    except (OSError, ValueError):
        return []
    # Cached files count as used, although they are dropped when memory is needed.
    return [] if limit == "max" else [max(0, int(limit) - taken + _cached())]


def _cached() -> int:
    try:
        lines = (_CGROUP / "memory.stat").read_text().split("\n")
        return sum(int(line.split()[1]) for line in lines if line.startswith("inactive_file "))
    except (OSError, ValueError, IndexError):
        return 0


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
