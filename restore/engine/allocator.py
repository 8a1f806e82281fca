"""Where memory on the CPU comes from.

A network takes and returns large pieces all the time. Left alone, the C library returns most of
them to the system, which clears every page before it gives it out again: up to a quarter of the
time.
"""

from __future__ import annotations

import ctypes
import functools
import os
import sys
from collections.abc import Callable

# As malloc.h of GNU's C library names them.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
_KEPT = 1 << 30
_LARGEST_KEPT = 32 << 20  # more it does not take
_OWN = (
    *("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_ARENA_MAX"),
    "GLIBC_TUNABLES",
)


@functools.cache
def keep_pages() -> None:
    """Have this process keep what it frees for what comes next, in pieces of at most 32 MiB, up to
    1 GiB at the end of its heap and all before what is still in use; and take large pieces in large
    pages.

    The first needs GNU's C library and is left alone where the environment has settings of its own.
    The second is an option of torch on Linux, which it reads at its first tensor.
    """
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    if any(name in os.environ for name in _OWN):
        return
    mallopt = _from_glibc("mallopt")
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, _LARGEST_KEPT)
        mallopt(_TRIM_THRESHOLD, _KEPT)
        mallopt(_ARENA_MAX, 1)  # those of other threads keep nothing, whatever they are told


def give_back() -> None:
    """Return what is kept to the system."""
    malloc_trim = _from_glibc("malloc_trim")
    if malloc_trim is not None:
        malloc_trim(0)


@functools.cache
def _from_glibc(name: str) -> Callable[..., int] | None:
    if not sys.platform.startswith("linux"):
        return None
    return getattr(ctypes.CDLL(None), name, None)
