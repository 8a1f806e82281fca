"""Finished share of a forward pass, reported often enough for a progress bar."""

from __future__ import annotations

import time
from collections.abc import Callable

Share = Callable[[float], None]
"""Called with the share of a forward pass that is done, above 0 and below 1."""

EVERY = 0.25
"""Seconds between two calls, at least. A layer, or a strip of one, takes less than a second."""


def ignore(share: float) -> None:
    """Report nothing."""


class ShareCounter:
    """Adds up the work of a forward pass and calls ``tell`` with its share of ``total``.

    Passes of less than `EVERY` seconds report nothing.
    """

    def __init__(self, total: float, tell: Share):
        self._total, self._tell = total, tell
        self._done, self._told = 0.0, time.monotonic()

    def __call__(self, work: float) -> None:
        self._done += work
        now = time.monotonic()
        if now - self._told >= EVERY and self._done < self._total:
            self._told = now
            self._tell(self._done / self._total)
