"""Estimate the time of a run from that of a small piece and the number of pixels."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from restore.checkpoints import store
from restore.checkpoints.card import Card, TilePolicy
from restore.engine.budget import NotEnoughMemoryError
from restore.engine.padding import padded
from restore.engine.tile_plan import plan_image
from restore.errors import RestoreError
from restore.heads import FAST
from restore.networks import Pair

if TYPE_CHECKING:
    from restore.engine.restorer import Restorer

LONG = 60.0
"""Seconds from which on a user should know before the run."""
_PIECE, _PIECE_OF_A_GPU = 128, 640
"""Pixels a side of the piece that is timed. A GPU computes small ones far below its speed, and
keeps a graph for each of up to 512 x 512."""
_WORTH = 64
"""Pieces in the shortest run that is estimated: looking takes 1.6 % of it at most. On a CPU that is
one megapixel, which took the slowest official model 42 seconds in float32 on two cores."""
_VIEWS = 8
"""Of an ensemble."""
_QUICKER = {"S-1": 5, "S-2": 13, "S-3": 20}
"""How many times quicker than these a small model is: seconds a megapixel on two cores in bfloat16
were 0.95, and 5.2, 12.5 and 19.8."""


@dataclass(frozen=True)
class Estimate:
    """Expected seconds of a run, and how many times faster the head's fast model is: 0 if there is
    none, it is in use, or its speed is unknown."""

    seconds: float
    quicker: int = 0

    def sentence(self, fast: str = f"quality {FAST}") -> str:
        """State the time for a user, who selects the fast model by ``fast``."""
        text = f"this takes about {_spoken(self.seconds)}"
        return f"{text}; {fast} is about {self.quicker} times quicker" if self.quicker else text


def estimate(
    restorer: Restorer, sizes: Iterable[Pair], *, times: float = 1, workers: int = 1
) -> Estimate | None:
    """Estimate the time to restore images of these (height, width), all of them ``times`` times,
    ``workers`` at a time. Returns None for less than a minute.

    Times a forward pass of a small piece, unless even a slow model would finish sooner. Reading and
    writing are not counted. Several threads may use the restorer meanwhile.
    """
    if restorer.strength == 0:
        return None
    views = _VIEWS if restorer.ensemble else 1
    multiples = restorer.card.network.size_multiple
    computed = (network_pixels(size, restorer.tiles, multiples) for size in sizes)
    pixels = times * views * sum(computed)
    side = _PIECE if restorer.compute.device.type == "cpu" else _PIECE_OF_A_GPU
    piece = padded(side, multiples[0]), padded(side, multiples[1])
    pieces = pixels / (piece[0] * piece[1])
    if pieces < _WORTH:
        return None
    # The first pass prepares what later ones reuse, so it is the slower one.
    shortest = float("inf")
    for _ in range(2):
        shortest = min(shortest, _seconds(restorer, piece))
        if shortest * pieces / workers < LONG:
            return None
    if shortest == float("inf"):
        return None
    return Estimate(shortest * pieces / workers, _times_quicker(restorer.card))


@lru_cache(maxsize=256)  # frames of a clip have one size
def network_pixels(size: Pair, policy: TilePolicy, multiples: Pair) -> int:
    """Count the pixels that a network computes for an image of (height, width), including overlaps
    and padding."""
    return plan_image(size, policy, multiples).pixels


def _seconds(restorer: Restorer, piece: Pair) -> float:
    """Return the seconds of a forward pass; infinite if memory is too small."""
    noise = np.random.default_rng(0).random((1, 3, *piece), np.float32)
    started = time.perf_counter()
    try:
        restorer.backend(noise)
    except NotEnoughMemoryError:
        return float("inf")
    return time.perf_counter() - started


def _times_quicker(card: Card) -> int:
    try:
        fast = store.find(card.task, quality=FAST)
    except RestoreError:
        return 0
    return 0 if fast.card.sha256 == card.sha256 else _QUICKER.get(card.variant, 0)


def _spoken(seconds: float) -> str:
    """Format "a minute", "12 minutes", "1.5 hours", "3 days", without insignificant digits."""
    minutes = seconds / 60
    if minutes < 90:
        whole = round(minutes) if minutes < 10 else 5 * round(minutes / 5)
        return "a minute" if whole <= 1 else f"{whole} minutes"
    hours = minutes / 60
    if hours < 36:
        return f"{hours:.1f} hours" if hours < 9.5 else f"{hours:.0f} hours"
    return f"{hours / 24:.0f} days"
