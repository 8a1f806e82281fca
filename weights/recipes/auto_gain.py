"""Compare `restore auto` with the best single head on images of two degradations.

    python weights/recipes/auto_gain.py CLEAN [--images N] [--side S] [--quality fast]
        [--judge perfect] [--json]

CLEAN is a folder of clean images. Each of the first N is cropped to S x S pixels in its middle and
degraded twice, for every pair of `PAIRS`; seeds fix all of it. Rivals, in dB of PSNR on RGB:

- input: the degraded image;
- single: the best of all heads alone at full strength, chosen by PSNR for each image;
- order, reversed: the two fitting heads in the order of the plan, and the other way round, without
  a judge. They separate what the order gains from what the judge loses;
- plan: `restore auto`, by the shipped judge or by one that knows the clean image: the most that a
  better judge could gain.
"""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from restore import Restorer
from restore.automatic import AutoRestorer
from restore.automatic.step import ORDER
from restore.degrade.examples import degrade
from restore.evaluate.metrics import psnr, ssim
from restore.evaluate.report import to_uint8
from restore.heads import HEADS
from restore.inspect import Judgement
from restore.inspect.suggestion import head_for
from restore.media import folder
from restore.media import image as media
from restore.media.colour import rgb

SEVERITY = (0.3, 0.7)
JPEG_QUALITY = (25, 60)
PAIRS = (
    ("lowlight", "noise"),
    ("rain", "blur"),
    ("haze", "noise"),
    ("blur", "jpeg"),
    ("rain", "noise"),
    ("blur", "noise"),
)
"""In the order in which they are applied: scene, light, lens, sensor, file."""
FAULTS = {"lowlight": "darkness", "jpeg": "blocks"}
"""Faults of the judge where degradations have another name."""
COLUMNS = ("input", "single", "order", "reversed", "plan")


@dataclass(frozen=True)
class GainRow:
    """PSNR by `COLUMNS`, the best single head, and the steps that the plan kept."""

    pair: tuple[str, str]
    image: str
    values: Mapping[str, float]
    single: str
    kept: tuple[str, ...]
    undone: tuple[str, ...]


def degraded(clean: np.ndarray, pair: tuple[str, str], seed: int) -> np.ndarray:
    """Apply both degradations to H x W x 3 uint8, each of a severity drawn from `SEVERITY`."""
    rng = np.random.default_rng(seed)
    for name in pair:
        if name == "jpeg":
            clean = _jpeg(clean, int(rng.integers(*JPEG_QUALITY)))
        else:
            clean = degrade(name, clean, float(rng.uniform(*SEVERITY)), int(rng.integers(2**31)))
    return clean


def _jpeg(pixels: np.ndarray, quality: int) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "jpeg", quality=quality)
    return np.asarray(Image.open(buffer))


def perfect(pair: tuple[str, str], clean: np.ndarray) -> Callable[[np.ndarray], Judgement]:
    """Make a judge that knows the degradations, and sees SSIM and PSNR to the clean image."""
    there = {FAULTS.get(name, name) for name in pair}

    def judge(pixels: np.ndarray) -> Judgement:
        seen = to_uint8(pixels)
        sure = 1 - min(psnr(seen, clean), 100) / 1000
        probabilities = {fault: sure if fault in there else 0.0 for fault in ORDER}
        severities = dict.fromkeys(ORDER, float(np.mean(SEVERITY)))
        return Judgement(probabilities, severities, ssim(seen, clean), ())

    return judge


def fitting(pair: tuple[str, str]) -> list[str]:
    """Heads for the two degradations, in the order of the plan."""
    faults = sorted((FAULTS.get(name, name) for name in pair), key=ORDER.index)
    return [head for fault in faults if (head := head_for(fault)) is not None]


def compared(
    pair: tuple[str, str],
    name: str,
    clean: np.ndarray,
    bad: np.ndarray,
    heads: Mapping[str, Restorer],
    auto: AutoRestorer,
) -> GainRow:
    """Measure every rival on one image."""

    def measure(image: np.ndarray) -> float:
        return psnr(to_uint8(image), clean)

    floats = bad.astype(np.float32) / np.float32(255)
    alone = {head: restorer(floats) for head, restorer in heads.items()}
    figures = {head: measure(image) for head, image in alone.items()}
    best = max(figures, key=lambda head: figures[head])
    wanted = fitting(pair)
    result = auto(bad)
    values = {
        "input": measure(bad),
        "single": figures[best],
        "order": measure(_chained(alone, heads, wanted)),
        "reversed": measure(_chained(alone, heads, wanted[::-1])),
        "plan": measure(result.image),
    }
    kept = tuple(step.head for step in result.kept)
    undone = tuple(step.head for step in result.steps if not step.kept)
    return GainRow(pair, name, values, best, kept, undone)


def _chained(
    alone: Mapping[str, np.ndarray], heads: Mapping[str, Restorer], order: list[str]
) -> np.ndarray:
    image = alone[order[0]]
    for head in order[1:]:
        image = heads[head](image)
    return image


def rows(
    clean: Path,
    images: int,
    side: int,
    heads: Mapping[str, Restorer],
    made: Callable[..., AutoRestorer],
    is_perfect: bool,
) -> Iterator[GainRow]:
    """Yield a row for each image and pair; ``made`` makes the plan's restorer of a judge."""
    shipped = made()
    for index, path in enumerate(folder.pictures(clean)[:images]):
        pixels = _middle(rgb(media.read(path).in_8_bits().pixels), side)
        for number, pair in enumerate(PAIRS):
            bad = degraded(pixels, pair, 1000 * index + number)
            auto = made(judge=perfect(pair, pixels)) if is_perfect else shipped
            yield compared(pair, path.stem, pixels, bad, heads, auto)


def _middle(pixels: np.ndarray, side: int) -> np.ndarray:
    top, left = (max(0, (length - side) // 2) for length in pixels.shape[:2])
    return np.ascontiguousarray(pixels[top : top + side, left : left + side])


def means(found: list[GainRow]) -> list[tuple[str, int, dict[str, float]]]:
    """Mean PSNR by pair, and over all rows."""
    groups = {" + ".join(pair): [row for row in found if row.pair == pair] for pair in PAIRS}
    groups["all"] = found
    return [
        (name, len(some), {c: float(np.mean([row.values[c] for row in some])) for c in COLUMNS})
        for name, some in groups.items()
        if some
    ]


def table(found: list[GainRow]) -> str:
    """Format the means; gain is plan less single."""
    lines = [f"{'pair':16} {'n':>3} " + " ".join(f"{c:>8}" for c in (*COLUMNS, "gain"))]
    for name, count, mean in means(found):
        gain = mean["plan"] - mean["single"]
        figures = " ".join(f"{mean[c]:8.2f}" for c in COLUMNS)
        lines.append(f"{name:16} {count:3} {figures} {gain:+8.2f}")
    return "\n".join(lines)


def main(say: Callable[[str], object] = print) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("clean", type=Path)
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--side", type=int, default=192)
    parser.add_argument("--quality", default="fast")
    parser.add_argument("--judge", choices=("shipped", "perfect"), default="shipped")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    heads = {head: Restorer(head, quality=given.quality) for head in HEADS}
    made = partial(AutoRestorer, quality=given.quality)
    is_perfect = given.judge == "perfect"
    found = []
    for row in rows(given.clean, given.images, given.side, heads, made, is_perfect):
        found.append(row)
        if not given.json:
            steps = ", ".join((*row.kept, *(f"({head})" for head in row.undone))) or "none"
            figures = " ".join(f"{row.values[c]:6.2f}" for c in COLUMNS)
            say(f"{row.image:12} {'+'.join(row.pair):14} {figures} {row.single:8} {steps}")
    say(json.dumps([vars(row) for row in found]) if given.json else table(found))


if __name__ == "__main__":
    main()
