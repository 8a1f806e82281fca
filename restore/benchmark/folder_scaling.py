"""Efficiency of several workers that share a folder, measured."""

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
    """``one``, ``together``: pictures a second of one worker and of all ``workers`` at the same
    time, medians over ``rounds``."""

    workers: int
    rounds: int
    pictures: int
    one: float
    together: float

    @property
    def efficiency(self) -> float:
        """Throughput of all over that of one, times their number."""
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
    """Time both ways in turns, so that a machine that slows down slows both.

    Args:
        one: with one worker, which has as many threads as each of the others.
        together: with ``workers`` workers.
        pictures: restored by each worker, of ``shape`` (height, width).

    Raises `RestoreError` where a picture fails.
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
    """Yield names of files that are divided evenly among the shards."""
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
    """Return outcomes a second by their times, without the first quarter, in which workers still
    start, and the last eighth, in which some have nothing left."""
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
