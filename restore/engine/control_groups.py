"""Limits of the Linux control groups that this process belongs to, of versions 1 and 2.

``root`` is the folder that holds ``proc`` and ``sys``. Every group from that of the process to the
outermost one that is visible is read; the lowest limit counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

ROOT = Path("/")


def cpus(root: Path = ROOT) -> float | None:
    """Return the CPUs that may be used, such as 1.5; None: no limit."""
    granted = (_cpus(folder) for folder in _folders("cpu", root))
    return min((count for count in granted if count is not None), default=None)


def memory_left(root: Path = ROOT) -> int | None:
    """Return the bytes of memory below the limit; None: no limit."""
    left = (_memory_left(folder) for folder in _folders("memory", root))
    return min((count for count in left if count is not None), default=None)


def _folders(controller: str, root: Path) -> Iterator[Path]:
    """Folders of the groups that may limit what a controller manages, innermost first.

    A container often sees its own group where the hierarchy is mounted, while ``/proc`` names it
    as the host does. Therefore the place of the mount is always among them.
    """
    mounts = root / "sys" / "fs" / "cgroup"
    try:
        lines = (root / "proc" / "self" / "cgroup").read_text().splitlines()
    except OSError:
        lines = []
    for line in (*lines, "0::/", f"1:{controller}:/"):
        _, _, rest = line.partition(":")
        controllers, _, name = rest.partition(":")
        if controllers and controller not in controllers.split(","):
            continue
        hierarchies = {controller, controllers} if controllers else {"", "unified"}
        inside = PurePosixPath(name.lstrip("/"))
        if ".." in inside.parts:  # of a group outside of what this container sees
            inside = PurePosixPath()
        for hierarchy in hierarchies:
            yield mounts / hierarchy / inside
            yield from (mounts / hierarchy / outer for outer in inside.parents)


def _cpus(folder: Path) -> float | None:
    try:
        if (folder / "cpu.max").is_file():
            limit, period = (folder / "cpu.max").read_text().split()
        else:
            limit, period = (
                (folder / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period")
            )
        if limit == "max" or int(limit) <= 0 or int(period) <= 0:
            return None
        return int(limit) / int(period)
    except (OSError, ValueError):
        return None


def _memory_left(folder: Path) -> int | None:
    try:
        if (folder / "memory.max").is_file():
            names, cached = ("memory.max", "memory.current"), "inactive_file"
        else:
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes")
            cached = "total_inactive_file"
        limit, taken = ((folder / name).read_text().strip() for name in names)
        if limit == "max":  # version 1 states a number of exabytes instead
            return None
        # Cached files count as used, although they are dropped when memory is needed.
        return max(0, int(limit) - int(taken) + _statistic(folder, cached))
    except (OSError, ValueError):
        return None


def _statistic(folder: Path, name: str) -> int:
    try:
        lines = (folder / "memory.stat").read_text().splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith(f"{name} "))
    except (OSError, ValueError, IndexError):
        return 0
