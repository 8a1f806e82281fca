"""Ordinary scheduling for encoders that would take a processor for themselves."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

_THREADS = Path("/proc/self/task")


@contextmanager
def ordinary_scheduling() -> Iterator[None]:
    """Undo what encoders that are opened in this context do to the scheduling of threads.

    Where SVT-AV1 runs as root, as in most containers, it gives its threads and the one that opens
    it the highest real-time priority of Linux, and every process that this one starts inherits it:
    no other work gets a processor. All threads go back to the policy of before.
    """
    if not hasattr(os, "sched_getscheduler") or not _THREADS.is_dir():
        yield
        return
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        if os.sched_getscheduler(0) != policy:
            for thread in _THREADS.iterdir():
                # One may have ended.
                with suppress(ProcessLookupError):
                    os.sched_setscheduler(int(thread.name), policy, parameters)


def opened(encoder: Any) -> Any:
    """Open an encoder (a codec context) and return it."""
    with ordinary_scheduling():
        encoder.open()
    return encoder
