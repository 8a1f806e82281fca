"""Quality, seams, time and memory of several ways of cutting large images."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from restore.benchmark import model_speed, timed_processes
from restore.checkpoints import store
from restore.engine import pixels
from restore.engine.restorer import Restorer
from restore.engine.tile_options import EXACT, OFF
from restore.evaluate import seams
from restore.evaluate.metrics import PEAK
from restore.evaluate.protocol import BASIC
from restore.evaluate.report import Case, to_uint8
from restore.evaluate.seams import Seams
from restore.media.colour import rgb

PSNR = BASIC[0]
_COLUMNS = (
    *("tile", "overlap", "PSNR", "cut", "difference", "seam", "step"),
    *("s/MP", "spread", "memory"),
)
_WIDTH = 100
Progress = Callable[[int, int | None], None]


@dataclass(frozen=True)
class Way:
    """A value of the `Restorer`'s ``tile`` and its ``overlap``; None is that of the card."""

    tile: str
    overlap: int | None = None

    @property
    def options(self) -> dict[str, Any]:
        return {"tile": self.tile} | ({} if self.overlap is None else {"overlap": self.overlap})


@dataclass(frozen=True)
class Quality:
    """Means over ``pictures`` images: ``psnr``, and ``difference`` from the uncut result in levels
    of 8 bits. ``seam`` and ``step`` are those of `Seams` over the ``cut`` images, None if there are
    none."""

    pictures: int
    cut: int
    psnr: float
    difference: float
    seam: float | None
    step: float | None


@dataclass(frozen=True)
class Tiling:
    """One line of the table."""

    way: Way
    quality: Quality
    speed: model_speed.Speed

    def to_dict(self) -> dict[str, Any]:
        return asdict(self.way) | asdict(self.quality) | asdict(self.speed)


def ways(tiles: Iterable[str], overlaps: Sequence[int] = ()) -> list[Way]:
    """Return each tiling once; with every overlap, except "off" and "exact", which have none."""
    found = [
        Way(tile, overlap)
        for tile in tiles
        for overlap in (overlaps if overlaps and _has_overlap(tile) else (None,))
    ]
    return list(dict.fromkeys(found))


def _has_overlap(tile: str) -> bool:
    return tile not in (OFF, EXACT)


def qualities(
    model: str | Path,
    compared: Sequence[Way],
    cases: Iterable[Case],
    progress: Progress,
    **options: Any,
) -> list[Quality]:
    """Restore every case in every way. ``options`` and errors are those of `Restorer`."""
    found = store.locate(model)
    restorer_with = partial(Restorer, found.card.task, found.path, **options)
    whole = restorer_with(tile=OFF)
    restorers = [whole if way.tile == OFF else restorer_with(**way.options) for way in compared]
    figures: list[list[float]] = [[] for _ in compared]
    against_whole: list[list[Seams]] = [[] for _ in compared]
    for done, case in enumerate(cases, 1):
        # Of 8 bits, the Restorer would round its result, and most small differences to nothing.
        degraded = pixels.to_float(case.degraded)
        reference = whole(degraded)
        for i, restorer in enumerate(restorers):
            result = reference if restorer is whole else restorer(degraded)
            figures[i].append(PSNR.measure(to_uint8(result), rgb(case.target)))
            against_whole[i].append(seams.measure(result, reference, *restorer.borders(degraded)))
        progress(done, None)
    return [_quality(*of_way) for of_way in zip(figures, against_whole, strict=True)]


def speeds(
    model: str | Path,
    compared: Sequence[Way],
    size: tuple[int, int],
    rounds: int,
    progress: Progress,
    **options: Any,
) -> list[model_speed.Speed]:
    """Measure time and memory of every way on one synthetic image of ``size`` (height, width); see
    `restore.benchmark.model_speed.measure`."""
    found = store.locate(model)
    settings = [
        timed_processes.Setting(found.card.task, str(found.path), *size, {**options, **way.options})
        for way in compared
    ]
    return model_speed.measure(settings, rounds, progress)


def _quality(figures: Sequence[float], differences: Sequence[Seams]) -> Quality:
    cut = [found for found in differences if found.near.count]
    return Quality(
        pictures=len(figures),
        cut=len(cut),
        psnr=float(np.mean(figures)),
        difference=seams.pooled(differences).difference * PEAK,
        seam=seams.pooled(cut).ratio,
        step=seams.pooled(cut).step,
    )


def table(rows: Sequence[Tiling], conditions: str) -> str:
    """Return the figures as text, one line per way, followed by their definitions; ``conditions``
    are those of the PSNR."""
    from rich.console import Console
    from rich.table import Table

    grid = Table(*_COLUMNS, box=None, pad_edge=False, highlight=False)
    for row in rows:
        grid.add_row(*_cells(row))
    console = Console(width=_WIDTH, color_system=None)
    with console.capture() as capture:
        console.print(grid)
    first = rows[0].speed
    return "\n".join(
        (
            *(line.rstrip() for line in capture.get().splitlines()),
            f"{first.model}, {first.device} {first.precision}",
            f"PSNR: {PSNR.protocol}; {conditions}",
            f"difference: mean and absolute, from the picture restored whole, of {PEAK:.0f}",
            f"seam: that within {seams.REACH} pixels of a border, over that elsewhere",
            "step: its steps over a border, over those elsewhere",
            f"cut: how many of the {rows[0].quality.pictures} pictures; seam and step are of these",
            f"s/MP, memory: {first.width} x {first.height}, {torch.get_num_threads()} threads",
        )
    )


def _cells(row: Tiling) -> tuple[str, ...]:
    quality, timed = row.quality, row.speed
    return (
        row.way.tile,
        "-" if row.way.overlap is None else str(row.way.overlap),
        f"{quality.psnr:.{PSNR.digits}f}",
        str(quality.cut),
        f"{quality.difference:.3f}",
        *("-" if value is None else f"{value:.3f}" for value in (quality.seam, quality.step)),
        f"{timed.seconds_a_megapixel:.2f}",
        f"{timed.spread:.0%}",
        f"{timed.memory / 2**20:.0f} MiB",
    )
