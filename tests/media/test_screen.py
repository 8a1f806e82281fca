"""The view of a picture on a screen."""

from __future__ import annotations

import icc
import numpy as np
import pytest
from pictures import smooth

from restore.media.picture import Picture
from restore.media.screen import screen_view


def test_without_a_profile_nothing_changes() -> None:
    np.testing.assert_array_equal(screen_view(Picture(smooth(), None, {})), smooth())


def test_other_depths_grey_and_alpha_become_8_bit_rgb() -> None:
    deep = Picture(smooth().astype(np.uint16) * 257, smooth()[..., 0].astype(np.uint16), {})
    np.testing.assert_array_equal(screen_view(deep), smooth())
    grey = screen_view(Picture(smooth()[..., 0], None, {}))
    np.testing.assert_array_equal(grey, np.repeat(smooth()[..., :1], 3, axis=2))
    linear = screen_view(Picture(np.full((4, 4, 3), 0.2140, np.float32), None, {}))
    assert np.abs(linear.astype(int) - 128).max() <= 1


@pytest.mark.parametrize("level", [60, 128, 220])
def test_a_profile_is_applied(level: int) -> None:
    """Gamma 1.8 is brighter than sRGB: the standard's curve inverted gives the level."""
    picture = Picture(np.full((4, 4, 3), level, np.uint8), None, {"icc_profile": icc.rgb(1.8)})
    light = (level / 255) ** 1.8
    expected = 255 * (1.055 * light ** (1 / 2.4) - 0.055)
    assert np.abs(screen_view(picture).astype(float) - expected).max() < 2


def test_a_broken_profile_is_ignored() -> None:
    picture = Picture(smooth(), None, {"icc_profile": b"no profile" * 20})
    np.testing.assert_array_equal(screen_view(picture), smooth())
