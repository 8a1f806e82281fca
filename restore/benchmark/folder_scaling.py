"""Efficiency of several workers that share a folder."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from statistics import median

from restore.benchmark.folder_overhead import made_up_picture
from restore.errors import RestoreError
from restore.jobs.outcome import DONE, Outcome
from restore.jobs.shard import Shard
from restore.media import image as media
from restore.media.picture import Picture

Run = Callable[[Path, Path, Callable[[Outcome], object]], object]
"""Restores a folder into another one, calling back with each outcome."""


@dataclass(frozen=True)
class Scaling:
    """Images per second of one worker (``one``) and of all ``workers`` at the same time
    (``together``), medians over ``rounds``."""

    workers: int
    rounds: int
    pictures: int
    one: float
    together: float

    @property
    def efficiency(self) -> float:
        """Throughput of all workers, divided by that of one times their number."""
        return self.together / (self.workers * self.one)


def measure(
    one: Run,
    together: Run,
    workers: int,
    pictures: int,
    shape: tuple[int, int],
    suffix: str,
    rounds: int,
    progress: Callable[[int, int], None],
) -> Scaling:
    """Time one worker and several in turns, so that a machine that slows down slows both.

    Args:
        one: runs one worker, which has as many threads as each of the others.
        together: runs ``workers`` workers.
        pictures: images restored by each worker, of ``shape`` (height, width).

    Raises `RestoreError` if an image fails.
    """
    rates: tuple[list[float], list[float]] = ([], [])
    with tempfile.TemporaryDirectory() as place:
        several, single = Path(place, "several"), Path(place, "single")
        for folder, number in ((several, workers * pictures), (single, pictures)):
            folder.mkdir()
            for seed, name in enumerate(even_names(number, workers, suffix)):
                media.write(Picture(made_up_picture(shape, seed), None, {}), folder / name)
        for done in range(rounds):
            rates[0].append(_timed(one, single, Path(place, f"single-{done}")))
            rates[1].append(_timed(together, several, Path(place, f"several-{done}")))
            progress(done + 1, rounds)
    return Scaling(workers, rounds, pictures, *map(median, rates))


def even_names(number: int, shards: int, suffix: str) -> Iterator[str]:
    """Yield file names that are divided evenly among the shards."""
    room = [math.ceil(number / shards)] * shards
    names = (f"{each}{suffix}" for each in count())
    for _ in range(number):
        for name in names:
            owner = next(i for i in range(shards) if Shard(i + 1, shards).holds(name))
            if room[owner]:
                room[owner] -= 1
                yield name
                break


def steady_rate(times: list[float]) -> float:
    """Return outcomes per second from their times. Excludes the first quarter, in which workers
    still start, and the last eighth, in which some have no files left."""
    first, last = len(times) // 4, len(times) - 1 - len(times) // 8
    if first >= last or times[last] <= times[first]:
        raise RestoreError(f"{len(times)} pictures are too few to be timed")
    return (last - first) / (times[last] - times[first])


def _timed(run: Run, source: Path, target: Path) -> float:
    times: list[float] = []

    def note(outcome: Outcome) -> None:
        if outcome.status != DONE:
            raise RestoreError(f"{outcome.source}: {outcome.status}: {outcome.reason}")
        times.append(time.perf_counter())

    run(source, target, note)
    return steady_rate(times)
