"""What of a picture its judge is shown."""

from __future__ import annotations

import numpy as np
import pytest

from restore.inspect.judged_views import views
from restore.networks.judge import SIDE


@pytest.mark.parametrize(
    ("shape", "places"), [((1, 1), 1), ((127, 130), 1), ((321, 481), 6), ((2000, 3000), 9)]
)
def test_places_lie_inside_and_begin_where_blocks_do(shape: tuple[int, int], places: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    seen = views(pixels)
    assert seen.places.shape == (places, SIDE, SIDE, 3)
    assert seen.scene.shape == (SIDE, SIDE, 3)
    assert len(set(seen.corners)) == places
    for (row, column), place in zip(seen.corners, seen.places, strict=True):
        assert (row % 8, column % 8) == (0, 0)
        inside = pixels[row : row + SIDE, column : column + SIDE]
        np.testing.assert_array_equal(place[: inside.shape[0], : inside.shape[1]], inside)


def test_textured_and_flat_places_are_both_chosen() -> None:
    pixels = np.full((1280, 1280, 3), 128, np.uint8)
    rng = np.random.default_rng(0)
    pixels[::2] = 120
    pixels[128:256, 128:256] = rng.integers(0, 256, (128, 128, 3), dtype=np.uint8)
    corners = views(pixels).corners
    assert (128, 128) in corners  # the first cell shows its most textured place
    pixels[:] = rng.integers(0, 256, pixels.shape, dtype=np.uint8)
    pixels[128:256, 640:768] = 90
    assert (128, 640) in views(pixels).corners  # the second, its flattest
