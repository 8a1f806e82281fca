"""A clear error in forked processes, whose threads are gone and in which OpenMP would wait for
them."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from restore.errors import RestoreError

if TYPE_CHECKING:
    from restore.engine.precision import DeviceLike

_process: int | None = None
"""Process that has computed in threads, or on a GPU."""


def refuse_after_fork(device: DeviceLike | None = None, *, on_torch: bool = True) -> None:
    """Call before a network computes. ``device`` is None before it is known.

    Raises `RestoreError` in a fork of a process that has computed in several threads: the fork has
    none of them, and a network would wait for them forever. With one thread of torch, as in the
    workers of `torch.utils.data.DataLoader`, there is nothing to wait for.
    """
    global _process
    torch = sys.modules.get("torch")
    on_cpu = device is None or device.type == "cpu"
    alone = on_torch and on_cpu and torch is not None and torch.get_num_threads() == 1
    if _process is not None and _process != os.getpid() and not alone:
        raise RestoreError(
            "this process was forked from one that has computed in threads, which a fork does not "
            'inherit; start workers with multiprocessing.get_context("spawn")'
        )
    if device is not None and not alone:
        _process = os.getpid()
