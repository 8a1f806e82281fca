"""A picture as a screen shows it: 8 bits, sRGB, no alpha."""

from __future__ import annotations

import io

import numpy as np

from restore.media.colour import rgb
from restore.media.picture import ICC, Picture


def screen_view(picture: Picture) -> np.ndarray:
    """Return H x W x 3 uint8 in sRGB.

    An ICC profile is applied; one that cannot be is ignored, as browsers do. Alpha is left out.
    """
    pixels = rgb(picture.in_8_bits().pixels)
    profile = picture.info.get(ICC)
    return pixels if not profile else _converted(pixels, profile)


def _converted(pixels: np.ndarray, profile: bytes) -> np.ndarray:
    from PIL import Image, ImageCms

    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        image = ImageCms.profileToProfile(
            Image.fromarray(pixels), source, ImageCms.createProfile("sRGB")
        )
    except (ImageCms.PyCMSError, OSError):
        return pixels
    return pixels if image is None else np.asarray(image)
