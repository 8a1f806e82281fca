"""Ctrl-C and a polite kill wait for the end of a step, so that nothing of a run is lost."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def deferred() -> Iterator[Callable[[], int]]:
    """While this lasts, the first SIGINT or SIGTERM is only noted; a second one acts as always.

    Yields what tells which signal has come: its number, or 0.
    """
    caught = 0
    before: dict[int, object] = {}

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal caught
        caught = number
        restore_handlers()

    def restore_handlers() -> None:
        for each, handler in before.items():
            signal.signal(each, handler)  # type: ignore[arg-type]

    if threading.current_thread() is threading.main_thread():  # nobody else may set handlers
        for each in (signal.SIGINT, signal.SIGTERM):
            before[each] = signal.signal(each, note)
    try:
        yield lambda: caught
    finally:
        restore_handlers()
