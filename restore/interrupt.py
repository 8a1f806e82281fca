"""Ctrl-C and a polite kill wait for the end of a step, so that nothing of a run is lost."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def deferred(second: Callable[[int], object] | None = None) -> Iterator[Callable[[], int]]:
    """While this lasts, the first SIGINT or SIGTERM is only noted; a second one acts as always, or
    calls ``second`` with its number.

    Yields what tells which signal has come: its number, or 0.
    """
    caught = 0
    before: dict[int, object] = {}

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal caught
        if caught and second:
            second(number)
        caught = number
        if second is None:
            restore_handlers()

    def restore_handlers() -> None:
        for each, handler in before.items():
            signal.signal(each, handler)  # type: ignore[arg-type]

    if threading.current_thread() is threading.main_thread():  # other threads may not set handlers
        for each in (signal.SIGINT, signal.SIGTERM):
            before[each] = signal.signal(each, note)
    try:
        yield lambda: caught
    finally:
        restore_handlers()
