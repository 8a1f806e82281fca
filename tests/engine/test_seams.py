"""That no cut of a photograph shows, and that cutting costs no quality."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from restore.checkpoints import store
from restore.checkpoints.card import FLOAT32
from restore.evaluate import tilings
from restore.evaluate.report import Case, gaussian_cases, paired_cases
from restore.evaluate.tilings import Quality, Way

ROOT = Path(__file__).resolve().parents[2]
EVAL = ROOT.parent / "shared" / "data" / "eval"
TILE, SMALLER = 128, 256
MOST_SEAM = 1.1
MOST_LOST = 0.02  # dB
SAMPLES = {
    "denoise": ("cat", "noisy"),
    "deblur": ("astronaut", "blurred"),
    "derain": ("cat", "rainy"),
    "dehaze": ("astronaut", "hazy"),
    "enhance": ("coffee", "dark"),
}


def part(name: str) -> np.ndarray:
    """2 x 3 tiles of a sample, which without overlap meet exactly."""
    return np.asarray(Image.open(ROOT / "samples" / f"{name}.png"))[: 2 * TILE, : 3 * TILE]


def measured(task: str, cases: list[Case], *ways: Way) -> list[Quality]:
    name = store.find(task).card.name
    return tilings.qualities(name, ways, cases, lambda done, total: None, precision=FLOAT32)


@pytest.mark.parametrize("task", SAMPLES)
def test_no_seam_shows_in_a_photograph(task: str) -> None:
    photo, bad = SAMPLES[task]
    case = Case(photo, part(f"{photo}-{bad}"), part(f"{photo}-clean"))
    blended, hard = measured(task, [case], Way(str(TILE)), Way(str(TILE), 0))
    assert (blended.cut, hard.cut) == (1, 1)
    assert (blended.seam or 9) <= MOST_SEAM
    assert (blended.step or 9) <= 1.5
    # What the test would say of tiles that only meet; a head that judges each by itself differs as
    # much within them.
    assert (hard.seam or 0) > MOST_SEAM or hard.difference > 5
    assert (hard.step or 0) > 3


def cases_of(task: str) -> list[Case]:
    if not EVAL.is_dir():
        pytest.skip(f"{EVAL} is not here")
    if task == "denoise":
        found = gaussian_cases(EVAL / "clean-cbsd68", 25)
    else:
        folder = EVAL / {"deblur": "deblur-gopro", "derain": "derain-rain100h"}[task]
        found = paired_cases(folder / "input", folder / "target")
    return list(islice(found, 3))


@pytest.mark.slow
@pytest.mark.parametrize("task", ["denoise", "deblur", "derain"])
def test_cutting_costs_no_quality_on_the_evaluation_sets(task: str) -> None:
    """The card's windows, tiles and smaller tiles. Heads that judge a whole scene are not cut: the
    card has them see it reduced."""
    cases, tiles = cases_of(task), store.find(task).card.tile
    assert tiles is not None
    assert tiles.reduce_to == 0
    whole, *ways = measured(task, cases, Way("off"), Way("auto"), Way("384"), Way(str(SMALLER)))
    largest = max(case.degraded[..., 0].size for case in cases)
    uncut = tiles.window == 0 and largest <= tiles.whole_up_to  # by "auto"
    for found in ways[uncut:]:
        assert found.cut == len(cases)
        assert found.psnr >= whole.psnr - MOST_LOST
        # Less than a level of 8 bits shows nowhere; denoise-s1 differs by 0.8 in tiles of 256.
        assert (found.seam or 9) <= MOST_SEAM or found.difference < 1
