"""Haze: light in places that ought to be dark."""

from __future__ import annotations

import numpy as np

from restore.inspect.operators import PATCH, dark_channel

_DARKEST = 5
"""Percentile of the dark channel: a little less than all of a hazy picture is hazy."""

_LEAST_RANGE = 8
"""Levels between the darkest and the brightest pixel, without which there is no scene to see."""


def haze(image: np.ndarray) -> float | None:
    """How bright the darkest places of H x W x 3 or H x W (uint8) are, from 0 to 1.

    The dark channel (the least value of any channel in the 15 x 15 pixels around) of outdoor
    pictures without haze is near 0 in most places, and haze adds A (1 - t) to all of it: He, Sun
    and Tang, "Single image haze removal using dark channel prior", CVPR 2009, eq. 5 and 10.
    None below 15 x 15 and for plain pictures.
    """
    least = image if image.ndim == 2 else image.min(axis=2)
    if min(least.shape) < PATCH or int(least.max()) - int(least.min()) < _LEAST_RANGE:
        return None
    return float(np.percentile(dark_channel(least), _DARKEST)) / 255
