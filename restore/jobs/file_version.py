"""Whether a file is as it was, without reading it."""

from __future__ import annotations

import os
import time
from pathlib import Path

_SETTLED = 2 * 10**9
"""Nanoseconds after which a change of a file changes its time: the step of the coarsest file
systems."""


def version_of(file: Path | int) -> list[int] | None:
    """Return size in bytes and time of the last change in ns of a file or a descriptor; None if
    there is no such file."""
    try:
        status = os.stat(file)
    except (OSError, ValueError):
        return None
    return [status.st_size, status.st_mtime_ns]


def settled_version(file: Path | int) -> list[int] | None:
    """Return `version_of` a file that has not changed just now. One that has may change again
    without another time."""
    version = version_of(file)
    if version is None or time.time_ns() - version[1] < _SETTLED:
        return None
    return version
