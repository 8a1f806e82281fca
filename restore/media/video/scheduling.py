"""Ordinary scheduling for encoders that would take a processor for themselves."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

_THREADS = Path("/proc/self/task")


def opened(encoder: Any) -> Any:
    """Open an encoder (a codec context) and return it.

    Where SVT-AV1 runs as root, as in most containers, it gives its threads and the one that opens
    it the highest real-time priority of Linux, and every process that this one starts inherits it:
    no other work gets a processor. All threads go back to the policy of before.
    """
    if not hasattr(os, "sched_getscheduler") or not _THREADS.is_dir():
        encoder.open()
        return encoder
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    encoder.open()
    if os.sched_getscheduler(0) != policy:
        for thread in _THREADS.iterdir():
            try:
                os.sched_setscheduler(int(thread.name), policy, parameters)
            except ProcessLookupError:
                continue  # it has ended
    return encoder
