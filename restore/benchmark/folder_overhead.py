"""Time of a folder run beyond that of the network: reading, writing, hashing, the manifest."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from restore.errors import RestoreError
from restore.jobs import manifest
from restore.jobs.executors.local import run
from restore.jobs.file_stages import Restore, Stages
from restore.jobs.folder_plan import plan
from restore.jobs.outcome import DONE
from restore.media import image as media
from restore.media.picture import Picture

ROUNDS = 4
"""The two are timed in turns, so that a machine that slows down slows both."""


@dataclass(frozen=True)
class Overhead:
    """Seconds of ``network`` and ``folder`` for the same ``pictures``, of ``megapixels`` in all."""

    pictures: int
    megapixels: float
    format: str
    network: float
    folder: float

    @property
    def ratio(self) -> float:
        return self.folder / self.network


def measure(
    restore: Restore,
    key: Mapping[str, Any],
    pictures: int,
    shape: tuple[int, int],
    suffix: str,
    progress: Callable[[int, int], None],
) -> Overhead:
    """Time ``restore`` on ``pictures`` synthetic images of ``shape`` (height, width) in memory, and
    `run` on the same images in a folder. Raises `RestoreError` if an image fails."""
    each = max(1, pictures // ROUNDS)
    spent = {"network": 0.0, "folder": 0.0}
    restore(made_up_picture(shape, 0), _ignore)  # first-call initialisation is not timed
    with tempfile.TemporaryDirectory() as place:
        for done in range(ROUNDS):
            source, target = Path(place, f"in{done}"), Path(place, f"out{done}")
            source.mkdir()
            for number in range(each):
                picture = Picture(made_up_picture(shape, done * each + number), None, {})
                media.write(picture, source / f"{number}{suffix}")
            arrays = [media.read(path).pixels for path in sorted(source.iterdir())]
            started = time.perf_counter()
            for array in arrays:
                restore(array, _ignore)
            between = time.perf_counter()
            _run(source, target, restore, key)
            spent["network"] += between - started
            spent["folder"] += time.perf_counter() - between
            progress(done + 1, ROUNDS)
    megapixels = ROUNDS * each * shape[0] * shape[1] / 1e6
    return Overhead(ROUNDS * each, megapixels, suffix[1:], **spent)


def _run(source: Path, target: Path, restore: Restore, key: Mapping[str, Any]) -> None:
    jobs = plan([source], target)
    with manifest.opened(target) as made:
        for outcome in run(jobs, Stages(restore, made, key)):
            if outcome.status != DONE:
                raise RestoreError(f"{outcome.source}: {outcome.status}: {outcome.reason}")


def made_up_picture(shape: tuple[int, int], seed: int) -> np.ndarray:
    """Return blocks of colour with some noise, which compress about as well as a photograph."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 240, (-(-shape[0] // 16), -(-shape[1] // 16), 3), np.uint8)
    blocks = coarse.repeat(16, axis=0).repeat(16, axis=1)[: shape[0], : shape[1]]
    return blocks + rng.integers(0, 16, blocks.shape, np.uint8)


def _ignore(done: float, total: int) -> None:
    pass
