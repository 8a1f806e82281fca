"""CPU threads: their number for a network, and how they wait for each other. Imports no torch until
used."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from functools import cache
from math import ceil
from pathlib import Path

from restore.engine import control_groups
from restore.engine.control_groups import ROOT

COUNT, SPIN, WAIT = "OMP_NUM_THREADS", "GOMP_SPINCOUNT", "OMP_WAIT_POLICY"
_SPINS = "2000"
"""Loops of some 15 nanoseconds. With two other processes on two cores, a picture of 1 MP was
charged 9.4 CPU seconds with GNU's default of 300,000, 2.8 with 10,000, 2.4 with 1000 or 0. On an
idle machine, short layers wait less for a call of the kernel with more: the judge takes 0.28
seconds a picture with 1000, 0.23 with 2000 (``restore bench judge``)."""
_SHARED_OUT = 1 << 18
"""Elements of a tensor, enough for torch to share them out among its threads."""
_MOST_TEAMS = 4
"""Sleeping teams worth starting. More would be needed where torch uses few of many CPUs, and there
spinning threads keep nothing from running."""


def prepare(environment: MutableMapping[str, str] = os.environ, root: Path = ROOT) -> None:
    """Set the environment of OpenMP for this process and its children.

    Threads sleep soon after they have nothing to do, and their number follows the CPU quota.
    Variables that are set keep their values. GNU's OpenMP, which torch for Linux brings, reads them
    when torch is imported; afterwards, this does nothing and `settle` is needed.
    """
    if "torch" in sys.modules:
        return
    if WAIT not in environment:
        environment.setdefault(SPIN, _SPINS)
    granted = quota(root)
    if granted is not None and granted < usable_cpus():
        environment.setdefault(COUNT, str(granted))


def settle(root: Path = ROOT) -> None:
    """Apply the same to a process that imported torch before `prepare`, as far as possible.

    The number of threads is lowered to the CPU quota, unless ``OMP_NUM_THREADS`` is set. Further
    calls change nothing.
    """
    import torch

    granted = quota(root)
    if granted is not None and COUNT not in os.environ and granted < torch.get_num_threads():
        torch.set_num_threads(granted)
    if not {SPIN, WAIT} & set(os.environ) and sys.platform == "linux":
        _throttle()


def count_threads() -> int:
    """Return the number of threads for a network, without importing torch: ``OMP_NUM_THREADS``, or
    the physical cores that this process may use, within the CPU quota."""
    if "torch" in sys.modules:
        settle()
        return int(sys.modules["torch"].get_num_threads())
    given = os.environ.get(COUNT, "").partition(",")[0]
    if given.isdecimal() and int(given):
        return int(given)
    import psutil

    return min(usable_cpus(), psutil.cpu_count(logical=False) or 1, quota() or 1 << 30)


@cache
def _throttle() -> None:
    """Have GNU's OpenMP spin 1000 loops instead of 300,000 although its settings have been read.

    It does so while it manages more threads than the process has CPUs, asleep or not. Teams of
    threads that sleep until the process ends make that true.
    """
    import torch

    count = torch.get_num_threads()
    teams = (usable_cpus() - count) // max(1, count - 1) + 1
    if count == 1 or not 1 <= teams <= _MOST_TEAMS:
        return

    def hold() -> None:
        torch.ones(_SHARED_OUT).add_(1)
        held.wait()
        threading.Event().wait()

    held = threading.Barrier(teams + 1)
    for _ in range(teams):
        threading.Thread(target=hold, name="restore-throttle", daemon=True).start()
    held.wait()


@contextmanager
def shared_out(workers: int) -> Iterator[None]:
    """Share the threads of torch among this many threads that run networks at once, while the
    context is open."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(max(1, before // workers))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def quota(root: Path = ROOT) -> int | None:
    """Return the CPUs that the control groups of this process grant, rounded up; None: no limit.

    ``root`` is the folder that holds ``proc`` and ``sys``.
    """
    granted = control_groups.cpus(root)
    return None if granted is None else max(1, ceil(granted))


def usable_cpus() -> int:
    """Return the number of CPUs that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
