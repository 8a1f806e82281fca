"""Defer SIGINT and SIGTERM until the current step finishes, so that no work is lost."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def deferred(second: Callable[[int], object] | None = None) -> Iterator[Callable[[], int]]:
    """Defer the first SIGINT or SIGTERM; a second one has its usual effect, or calls ``second``
    with its number.

    Yields a function that returns the number of the signal received, or 0.
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
