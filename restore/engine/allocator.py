"""Memory allocation on the CPU.

A network allocates and frees large blocks continuously. By default, the C library returns most of
them to the system, which clears every page before it is allocated again: up to a quarter of the
time.
"""

from __future__ import annotations

import ctypes
import functools
import os
import sys
from collections.abc import Callable

# Names in malloc.h of GNU's C library.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
_KEPT = 1 << 30
_LARGEST_KEPT = 32 << 20  # the largest value that it accepts
_OWN = (
    *("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_ARENA_MAX"),
    "GLIBC_TUNABLES",
)


@functools.cache
def keep_pages() -> None:
    """Make this process keep freed memory for reuse, and allocate large blocks in large pages.

    Kept are blocks of at most 32 MiB, up to 1 GiB at the end of the heap, and everything before
    blocks still in use. This requires GNU's C library, and is skipped if the environment has
    settings of its own. Large pages are an option of torch on Linux, which it reads at its first
    tensor.
    """
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    if any(name in os.environ for name in _OWN):
        return
    mallopt = _from_glibc("mallopt")
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, _LARGEST_KEPT)
        mallopt(_TRIM_THRESHOLD, _KEPT)
        mallopt(_ARENA_MAX, 1)  # arenas of other threads ignore these settings


def give_back() -> None:
    """Return kept memory to the system."""
    malloc_trim = _from_glibc("malloc_trim")
    if malloc_trim is not None:
        malloc_trim(0)


@functools.cache
def _from_glibc(name: str) -> Callable[..., int] | None:
    if not sys.platform.startswith("linux"):
        return None
    return getattr(ctypes.CDLL(None), name, None)
