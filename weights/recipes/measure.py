"""Measure models and write the figures on their cards.

    python weights/recipes/measure.py EVAL_DATA [MODEL ...]

EVAL_DATA is a folder with the sets of `evaluation.SETS`. Without a name, all shipped models are
measured. A shipped model's card is rewritten; the figures of an official model, which must be
installed (``restore weights pull``), go to ``weights/official/NAME.json``. Prints the table of the
documentation, a row for each set; the last row of a model shows how little it changes clean images.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from evaluation import (
    FEW_HEALTHY,
    HEALTHY,
    MODELS,
    OFFICIAL_SETS,
    OFFICIAL_TILES,
    SETS,
    healthy,
)

from restore.benchmark import footprint
from restore.checkpoints import store, weights
from restore.checkpoints.card import BFLOAT16, FLOAT32, Card, Figure, TilePolicy, read_card
from restore.checkpoints.zoo import OFFICIAL
from restore.engine.precision import PRECISIONS
from restore.evaluate import protocol, report, subjects
from restore.files import atomic_path
from restore.train.model_export import variant_of

WEIGHTS = Path(__file__).parents[1]
LICENCE = "Apache-2.0; trained in part on pictures licensed for research"
MOST_LOST_IN_BFLOAT16 = 0.05
"""Decibels, on any set of `MANY` images or more, for a card to allow bfloat16."""
MANY = 10
ENOUGH = 17
"""Images of a large set that float32 is measured on, evenly spread: it takes twice as long."""
TABLE = {"": ("PSNR", "SSIM"), ", on Y": ("PSNR-Y", "SSIM-Y"), ", GT-mean": ("PSNR-GT-mean",)}
"""Suffix of a set's title -> the metrics in that row of the table."""


@dataclass(frozen=True)
class Means:
    """Mean values, by metric, of a model's results and of its inputs."""

    after: Mapping[str, float]
    before: Mapping[str, float]
    psnr: tuple[float, ...]
    """Of each result."""


@dataclass(frozen=True)
class Measured:
    """The fields of a card that are measured."""

    figures: tuple[Figure, ...]
    precisions: tuple[str, ...]
    memory: Mapping[str, Mapping[str, float]]


def measure(name: str, path: Path, task: str, tiles: TilePolicy, data: Path) -> Measured:
    """Measure a model file on the sets of its head, in both precisions where a set is large.

    Prints the rows of the table.
    """
    titles = OFFICIAL_SETS.get(name, tuple(SETS[task]))
    clean, every = (FEW_HEALTHY, 4) if name in OFFICIAL else (HEALTHY, 1)

    def means(cases: Iterator[report.Case], precision: str) -> Means:
        return _means(task, path, cases, precision, tiles)

    sets = {title: SETS[task][title] for title in titles}
    half = {title: means(cases(data), BFLOAT16) for title, cases in sets.items()}
    losses = [0.0]
    for title, found in half.items():
        count = len(found.psnr)
        if count >= MANY:
            step = max(1, count // ENOUGH)
            full = means(islice(sets[title](data), None, None, step), FLOAT32)
            losses.append(float(np.mean(full.psnr) - np.mean(found.psnr[::step])))
    lost = max(losses)
    print(f"{name}: bfloat16 loses at most {lost:.4f} dB", file=sys.stderr)
    safe = (FLOAT32, BFLOAT16) if lost <= MOST_LOST_IN_BFLOAT16 else (FLOAT32,)
    if BFLOAT16 not in safe:
        half = {title: means(cases(data), FLOAT32) for title, cases in sets.items()}
    chosen = half | {clean: means(healthy(data, every), safe[-1])}
    figures: list[Figure] = []
    for title, found in chosen.items():
        _print_rows(name, title, found)
        conditions = f"{protocol.COMMON}; default options, {safe[-1]}"
        if "sigma" in title:
            conditions += f"; {protocol.GAUSSIAN}"
        for metric in protocol.metrics_of(task):
            value = round(found.after[metric.name], 4 if metric.digits > 3 else 2)
            figures.append(Figure(title, metric.name, value, f"{metric.protocol}; {conditions}"))
    memory = footprint.on_cpu(task, path, list(PRECISIONS))
    return Measured(tuple(figures), safe, {"cpu": memory})


def _means(
    task: str, path: Path, cases: Iterator[report.Case], precision: str, tiles: TilePolicy
) -> Means:
    model = subjects.model_subject(task, path, precision=precision, tile=tiles)
    itself = report.Subject("input", "", report.to_uint8)
    rows = list(report.evaluate([model, itself], cases, protocol.metrics_of(task)))
    after, before = report.means(rows)
    psnr = tuple(row.values["PSNR"] for row in rows if row.subject == model.name)
    return Means(after.values, before.values, psnr)


def _print_rows(name: str, title: str, found: Means) -> None:
    for suffix, metrics in TABLE.items():
        if metrics[0] in found.after:
            psnr, *ssim = (found.after[metric] for metric in metrics)
            result = " / ".join((f"{psnr:.2f}", *(f"{s:.4f}" for s in ssim)))
            given = f"{found.before[metrics[0]]:.2f}".replace("inf", "")  # of a clean image
            print(f"| {name} | {title}{suffix} | {given} | {result} |", flush=True)


def measure_shipped(name: str, data: Path) -> Card:
    """Measure a model of this folder and return its new card."""
    path = WEIGHTS / f"{name}.safetensors"
    described = MODELS[name]
    card = read_card(path)
    card = replace(
        card,
        variant=variant_of(card.network),
        tile=described.tiles,
        keeps_drawings=described.keeps_drawings,
        training_data=described.training_data,
        limits=described.limits,
        licence=LICENCE,
    )
    weights.write_card(card, path)
    found = measure(name, path, card.task, described.tiles, data)
    return replace(card, figures=found.figures, precisions=found.precisions, memory=found.memory)


def measure_official(name: str, data: Path) -> None:
    """Measure an installed official model and write ``official/NAME.json``."""
    model = store.locate(name)
    tiles = OFFICIAL_TILES[model.card.task]
    found = measure(name, model.path, model.card.task, tiles, data)
    values = asdict(found) | {"tile": asdict(tiles)}
    with atomic_path(WEIGHTS / "official" / f"{name}.json") as temporary:
        temporary.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")


def main(data: Path, names: list[str]) -> None:
    if unknown := set(names) - set(MODELS) - set(OFFICIAL):
        sys.exit(f"no sets are known for {', '.join(sorted(unknown))}")
    print("| model | data | input PSNR | PSNR / SSIM |\n|---|---|---|---|")
    here = [name for name in MODELS if (WEIGHTS / f"{name}.safetensors").is_file()]
    for name in names or here:
        if name in OFFICIAL:
            measure_official(name, data)
        else:
            weights.write_card(measure_shipped(name, data), WEIGHTS / f"{name}.safetensors")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit((__doc__ or "").strip())
    main(Path(sys.argv[1]), sys.argv[2:])
