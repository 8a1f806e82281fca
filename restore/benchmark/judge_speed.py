"""Time of the judge behind `restore inspect`, on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import numpy as np
import torch

from restore.engine.restorer import Restorer
from restore.inspect import judge

BASELINE, BASELINE_SIDE = "denoise-small", 1024


@dataclass(frozen=True)
class JudgeTime:
    """Seconds on one image of ``size`` (width, height). ``first`` includes loading the judge and
    the heads that it asks. ``of_baseline``: ``seconds`` divided by those of `BASELINE` on an image
    of one megapixel in the same run."""

    size: tuple[int, int]
    threads: int
    first: float
    seconds: float
    of_baseline: float


def measure(size: tuple[int, int], rounds: int) -> JudgeTime:
    """Time the judge on noise of ``size`` (height, width); medians over ``rounds``.

    The judge comes first, as in a folder: after a large network, its data are out of the caches.
    """
    rng = np.random.default_rng(0)
    image, other = (
        rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
        for shape in (size, (BASELINE_SIDE, BASELINE_SIDE))
    )
    first = _seconds(judge, image)
    own = median(_seconds(judge, image) for _ in range(rounds))
    baseline = Restorer("denoise", model=BASELINE)
    baseline(other)
    others = median(_seconds(baseline, other) for _ in range(rounds))
    return JudgeTime(size[::-1], torch.get_num_threads(), first, own, own / others)


def _seconds(run: Callable[[np.ndarray], object], image: np.ndarray) -> float:
    begun = time.perf_counter()
    run(image)
    return time.perf_counter() - begun
