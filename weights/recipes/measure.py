"""Measure the shipped models and write the figures into their cards.

    python weights/recipes/measure.py EVAL_DATA [MODEL ...]

EVAL_DATA is a folder that holds the sets named below (the workplace's ``shared/data/eval``);
without a name, all models are measured whose file is here. Prints the table of the README, and
writes into the cards what else only we know: what a model was trained on under which licences, what
it cannot do, how large pictures are shown to it, and whether bfloat16 is safe for it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from restore.checkpoints import weights
from restore.checkpoints.card import (
    BFLOAT16,
    FLOAT32,
    Card,
    Figure,
    TilePolicy,
    TrainingSet,
    read_card,
)
from restore.engine import footprint
from restore.engine.policy import windowed
from restore.engine.precision import PRECISIONS
from restore.evaluate import protocol, report, subjects

WEIGHTS = Path(__file__).parents[1]

PHOTOGRAPHS = (
    TrainingSet("94 photographs, scaled down 3 to 6 times", "CC0, CC BY and Unsplash licences"),
    TrainingSet("BSDS500, 130 pictures outside the sets measured", "research use"),
)
# Derain gains by windows of its training size; the others lose on clean pictures what they gain on
# degraded ones (weights/TRAINING.md).
WINDOWS_OF_256 = windowed(256)
Cases = Callable[[Path], Iterator[report.Case]]


@dataclass(frozen=True)
class Measured:
    """``sets``: name in the table -> cases, given the folder of evaluation data. Besides, every
    model is shown clean pictures, which it should leave alone.

    ``tiles`` and ``limits`` go into the card.
    """

    training_data: tuple[TrainingSet, ...]
    sets: Mapping[str, Cases]
    limits: str
    tiles: TilePolicy = WINDOWS_OF_256


def _cbsd68(data: Path, sigma: float) -> Iterator[report.Case]:
    return report.gaussian_cases(data / "clean-cbsd68", sigma)


def _healthy(data: Path) -> Iterator[report.Case]:
    return report.paired_cases(*(data / "clean-cbsd68",) * 2)


def _pairs(data: Path, name: str) -> Iterator[report.Case]:
    return report.paired_cases(data / name / "input", data / name / "target")


MODELS = {
    "denoise-small": Measured(
        (*PHOTOGRAPHS, TrainingSet("PolyU real-world noise, 63 pairs", "research use")),
        {f"CBSD68, sigma {s}": partial(_cbsd68, sigma=s) for s in (15, 25, 50)}
        | {"PolyU real noise, 20 pairs": partial(_pairs, name="realnoise-polyu")},
        limits="Removes sensor noise and grain. It invents no detail: text and fine patterns under "
        "heavy noise stay soft, and what is finer than the noise goes with it.",
    ),
    "deblur-small": Measured(
        (
            *PHOTOGRAPHS,
            TrainingSet("GoPro training frames and others at 240 fps, 21 pairs", "research use"),
        ),
        {"GoPro, 3 pairs": partial(_pairs, name="deblur-gopro")},
        limits="Sharpens what shook or missed its focus by a few pixels. Beyond some ten pixels "
        "hardly anything comes back, and two sharp copies of one edge may be left of it.",
    ),
    "derain-small": Measured(
        (
            *PHOTOGRAPHS,
            TrainingSet("PolyU real-world noise, 63 pairs, through denoise-small", "research use"),
        ),
        {
            "Rain100H, 24 pairs": partial(_pairs, name="derain-rain100h"),
            "Rain12, 6 pairs": partial(_pairs, name="derain-rain12"),
        },
        tiles=windowed(128),
        limits="Takes out streaks in the air. Drops on the lens it has never seen, wide streaks of "
        "heavy rain leave a shadow, and what rain has burnt to white is guessed.",
    ),
    "dehaze-small": Measured(
        (
            *PHOTOGRAPHS,
            TrainingSet(
                "NYUv2, Middlebury, Cityscapes and 7-Scenes, 34 pictures with depth", "research use"
            ),
        ),
        {
            "SOTS indoor, 10 pairs": partial(_pairs, name="dehaze-sots-indoor"),
            "O-HAZE, 1 pair": partial(_pairs, name="dehaze-ohaze"),
        },
        tiles=TilePolicy(size=384, overlap=64, whole_up_to=384 * 384, reduce_to=128),
        limits="Lifts haze that is much alike all over. It has seen none that is real: thick fog "
        "comes back dull or not at all, patches of it unevenly, and a white wall or snow may be "
        "taken for haze and darkened.",
    ),
    "enhance-small": Measured(
        (*PHOTOGRAPHS, TrainingSet("SICE part 1, 187 pairs", "CC BY-NC, research use")),
        {
            "LOL, 3 pairs": partial(_pairs, name="lowlight-lol"),
            "SICE, 10 pairs": partial(_pairs, name="lowlight-sice"),
        },
        tiles=TilePolicy(size=384, overlap=64, whole_up_to=1024 * 1024, reduce_to=512),
        limits="Brings a dark picture to a usual brightness, which is a guess: a night scene may "
        "come out as day. Black without any detail stays empty, and colours there are invented.",
    ),
}
LICENCE = "Apache-2.0; trained in part on pictures licensed for research"
MOST_LOST_IN_BFLOAT16 = 0.02  # dB, on any set of degraded pictures, for a card to call it safe
HEALTHY = "CBSD68 itself, clean"
TABLE = {"": ("PSNR", "SSIM"), ", on Y": ("PSNR-Y", "SSIM-Y"), ", GT-mean": ("PSNR-GT-mean",)}
"""What is said after the name of a set -> the metrics in that line of the README's table."""


def measure(name: str, data: Path) -> Card:
    """Evaluate a model in every precision, whole and tiled, and renew its card."""
    path = WEIGHTS / f"{name}.safetensors"
    measured = MODELS[name]
    card = replace(read_card(path), tile=measured.tiles)
    weights.write_card(card, path)
    by_precision = {
        precision: {
            title: _means(card, path, cases(data), precision, "auto")
            for title, cases in measured.sets.items()
        }
        for precision in (FLOAT32, BFLOAT16)
    }
    lost = max(
        full[0].values["PSNR"] - half[0].values["PSNR"]
        for full, half in zip(*(means.values() for means in by_precision.values()), strict=True)
    )
    print(f"{name}: bfloat16 loses at most {lost:.4f} dB", file=sys.stderr)
    safe = (FLOAT32, BFLOAT16) if lost <= MOST_LOST_IN_BFLOAT16 else (FLOAT32,)
    chosen = by_precision[safe[-1]]
    chosen[HEALTHY] = _means(card, path, _healthy(data), safe[-1], "auto")
    figures: list[Figure] = []
    for title, (after, before) in chosen.items():
        how = "default options"
        if title in measured.sets:
            whole, _ = _means(card, path, measured.sets[title](data), safe[-1], "off")
            how += f" (whole pictures: PSNR {whole.values['PSNR']:.2f})"
        _print_lines(name, title, before, after)
        conditions = f"{protocol.COMMON}; {how}, {safe[-1]}"
        if "sigma" in title:
            conditions += f"; {protocol.GAUSSIAN}"
        for metric in protocol.metrics_of(card.task):
            value = round(after.values[metric.name], 4 if metric.digits > 3 else 2)
            figures.append(Figure(title, metric.name, value, f"{metric.protocol}; {conditions}"))
    return replace(
        card,
        figures=tuple(figures),
        licence=LICENCE,
        training_data=measured.training_data,
        limits=measured.limits,
        precisions=safe,
        memory={"cpu": footprint.on_cpu(card.task, path, list(PRECISIONS))},
    )


def _means(
    card: Card, path: Path, cases: Iterator[report.Case], precision: str, tile: str
) -> tuple[report.Row, report.Row]:
    """The model's means, and those of the input itself."""
    model = subjects.model_subject(card.task, path, precision=precision, tile=tile)
    itself = report.Subject("input", "", report.to_uint8)
    rows = list(report.evaluate([model, itself], cases, protocol.metrics_of(card.task)))
    after, before = report.means(rows)
    return after, before


def _print_lines(name: str, title: str, before: report.Row, after: report.Row) -> None:
    for suffix, metrics in TABLE.items():
        if metrics[0] in after.values:
            psnr, *ssim = (after.values[metric] for metric in metrics)
            result = " / ".join((f"{psnr:.2f}", *(f"{s:.4f}" for s in ssim)))
            given = f"{before.values[metrics[0]]:.2f}".replace("inf", "")  # of a clean picture
            print(f"| {name} | {title}{suffix} | {given} | {result} |")


def main(data: Path, names: list[str]) -> None:
    print("| model | data | input PSNR | PSNR / SSIM |\n|---|---|---|---|")
    here = [name for name in MODELS if (WEIGHTS / f"{name}.safetensors").is_file()]
    if unknown := set(names) - set(MODELS):
        sys.exit(f"no sets are known for {', '.join(sorted(unknown))}")
    for name in names or here:
        weights.write_card(measure(name, data), WEIGHTS / f"{name}.safetensors")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit((__doc__ or "").strip())
    main(Path(sys.argv[1]), sys.argv[2:])
