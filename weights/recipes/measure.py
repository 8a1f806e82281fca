"""Measure the shipped models and write the figures into their cards.

    python weights/recipes/measure.py EVAL_DATA [MODEL ...]

EVAL_DATA is a folder that holds the sets named below (the workplace's ``shared/data/eval``). Prints
the table of the README, and writes into the cards what else only we know: what a model was trained
on under which licences, and whether bfloat16 is safe for it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from restore.checkpoints import weights
from restore.checkpoints.card import BFLOAT16, FLOAT32, Card, Figure, TrainingSet, read_card
from restore.engine.restorer import Restorer
from restore.evaluate import report

WEIGHTS = Path(__file__).parents[1]

PHOTOGRAPHS = (
    TrainingSet("94 photographs, scaled down 3 to 6 times", "CC0, CC BY and Unsplash licences"),
    TrainingSet("BSDS500, 130 pictures outside CBSD68", "research use"),
)


@dataclass(frozen=True)
class Measured:
    """``sets``: name in the table -> cases, given the folder of evaluation data."""

    training_data: tuple[TrainingSet, ...]
    sets: dict[str, Callable[[Path], Iterator[report.Case]]]


def _cbsd68(data: Path, sigma: float) -> Iterator[report.Case]:
    return report.gaussian_cases(data / "clean-cbsd68", sigma)


def _pairs(data: Path, name: str) -> Iterator[report.Case]:
    return report.paired_cases(data / name / "input", data / name / "target")


MODELS = {
    "denoise-small": Measured(
        (*PHOTOGRAPHS, TrainingSet("PolyU real-world noise, 63 pairs", "research use")),
        {f"CBSD68, sigma {s}": partial(_cbsd68, sigma=s) for s in (15, 25, 50)}
        | {"PolyU real noise, 20 pairs": partial(_pairs, name="realnoise-polyu")},
    )
}
LICENCE = "Apache-2.0; trained in part on pictures licensed for research"
MOST_LOST_IN_BFLOAT16 = 0.02  # dB, on any set, for a card to call it safe


def measure(name: str, data: Path) -> Card:
    """Evaluate a model with its default tiles, in every precision, and renew its card."""
    path = WEIGHTS / f"{name}.safetensors"
    card = read_card(path)
    means: dict[str, dict[str, report.Row]] = {}
    for precision in (FLOAT32, BFLOAT16):
        restorer = Restorer(card.task, path, precision=precision)
        means[precision] = {
            title: report.mean(list(report.evaluate(restorer, cases(data))))
            for title, cases in MODELS[name].sets.items()
        }
    lost = max(means[FLOAT32][title].psnr - row.psnr for title, row in means[BFLOAT16].items())
    print(f"{name}: bfloat16 loses at most {lost:.4f} dB", file=sys.stderr)
    safe = (FLOAT32, BFLOAT16) if lost <= MOST_LOST_IN_BFLOAT16 else (FLOAT32,)
    figures = []
    for title, row in means[safe[-1]].items():
        print(f"| {name} | {title} | {row.input_psnr:.2f} | {row.psnr:.2f} / {row.ssim:.4f} |")
        protocol = f"{report.PROTOCOL}; default tiles, {safe[-1]}"
        if "sigma" in title:
            protocol += f"; {report.GAUSSIAN}"
        figures.append(Figure(title, "PSNR", round(row.psnr, 2), protocol))
        figures.append(Figure(title, "SSIM", round(row.ssim, 4), protocol))
    return replace(
        card,
        figures=tuple(figures),
        licence=LICENCE,
        training_data=MODELS[name].training_data,
        precisions=safe,
    )


def main(data: Path, names: list[str]) -> None:
    print("| model | data | input PSNR | PSNR / SSIM |\n|---|---|---|---|")
    for name in names or MODELS:
        weights.write_card(measure(name, data), WEIGHTS / f"{name}.safetensors")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit((__doc__ or "").strip())
    main(Path(sys.argv[1]), sys.argv[2:])
