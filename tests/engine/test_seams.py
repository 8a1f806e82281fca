"""That no cut of a photograph shows, and that cutting costs no quality."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from restore.benchmark import tilings
from restore.benchmark.tilings import Quality, Way
from restore.checkpoints import store
from restore.checkpoints.card import FLOAT32
from restore.evaluate.report import Case, gaussian_cases, paired_cases

ROOT = Path(__file__).resolve().parents[2]
EVAL = ROOT.parent / "shared" / "data" / "eval"
TILE, SMALLER = 128, 256
MOST_SEAM, MOST_STEP = 1.1, 1.5
MOST_SHOWN = 0.25
"""Levels of 8 bits by which the difference may be larger along borders without being visible."""
MOST_LOST = 0.02  # dB
CROP = (448, 512)
SAMPLES = {
    "denoise": ("cat", "noisy"),
    "deblur": ("astronaut", "blurred"),
    "derain": ("cat", "rainy"),
    "dehaze": ("astronaut", "hazy"),
    "enhance": ("coffee", "dark"),
}


def part(name: str) -> np.ndarray:
    """2 x 2 tiles of a sample, which without overlap meet exactly."""
    return np.asarray(Image.open(ROOT / "samples" / f"{name}.png"))[: 2 * TILE, : 2 * TILE]


def seam_shows(found: Quality) -> bool:
    assert found.seam is not None
    return found.seam > MOST_SEAM and (found.seam - 1) * found.difference > MOST_SHOWN


def measured(task: str, cases: list[Case], *ways: Way) -> list[Quality]:
    name = store.find(task).card.name
    return tilings.qualities(name, ways, cases, lambda done, total: None, precision=FLOAT32)


@pytest.mark.parametrize("task", SAMPLES)
def test_no_seam_shows_in_a_photograph(task: str) -> None:
    photo, bad = SAMPLES[task]
    case = Case(photo, part(f"{photo}-{bad}"), part(f"{photo}-clean"))
    blended, hard = measured(task, [case], Way(str(TILE)), Way(str(TILE), 0))
    assert (blended.cut, hard.cut) == (1, 1)
    assert not seam_shows(blended)
    assert (blended.step or 9) <= MOST_STEP
    # The result for tiles without overlap; a head that judges each by itself differs as
    # much within them.
    assert seam_shows(hard) or hard.difference > 5
    assert (hard.step or 0) > MOST_STEP


def cases_of(task: str) -> list[Case]:
    if not EVAL.is_dir():
        pytest.skip(f"{EVAL} is not here")
    if task == "denoise":
        found = gaussian_cases(EVAL / "clean-cbsd68", 25)
    else:
        folder = EVAL / {"deblur": "deblur-gopro", "derain": "derain-rain100h"}[task]
        found = paired_cases(folder / "input", folder / "target")
    return [cropped(case) for case in islice(found, 3)]


def cropped(case: Case) -> Case:
    rows, columns = (slice(0, side) for side in CROP)
    return Case(case.name, case.degraded[rows, columns], case.target[rows, columns])


@pytest.mark.slow
@pytest.mark.parametrize("task", ["denoise", "deblur", "derain"])
def test_cutting_costs_no_quality_on_the_evaluation_sets(task: str) -> None:
    """The card's way, where it cuts pictures of this size, and tiles a third of its. Heads that
    judge a whole scene are not cut: the card has them see it reduced."""
    cases, tiles = cases_of(task), store.find(task).card.tile
    assert tiles is not None
    assert tiles.reduce_to == 0
    cut = [Way(str(SMALLER))]
    if tiles.window or max(case.degraded[..., 0].size for case in cases) > tiles.whole_up_to:
        cut.append(Way("auto"))  # else "auto" does not cut these
    whole, *ways = measured(task, cases, Way("off"), *cut)
    for found in ways:
        assert found.cut == len(cases)
        assert found.psnr >= whole.psnr - MOST_LOST
        assert not seam_shows(found)
