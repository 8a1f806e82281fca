"""A picture as a screen shows it: 8 bits, sRGB."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageCms

from restore.media.code_points import profile
from restore.media.picture import CICP, ICC, Picture

LOSSLESS_UP_TO = 4_000_000
"""Pixels of a view in a browser. Compression of more takes seconds: larger ones are JPEG, at a
quality whose loss does not show at 1:1."""
JPEG_QUALITY = 95


def screen_image(picture: Picture) -> Image.Image:
    """Return an image in sRGB, with the picture's alpha.

    Its ICC profile or code points are applied; a damaged profile is ignored, as browsers do.
    """
    picture = picture.in_8_bits()
    shown = Image.fromarray(np.ascontiguousarray(picture.pixels))
    own = picture.info.get(ICC) or (profile(picture.info[CICP]) if CICP in picture.info else None)
    if own:
        try:
            given = ImageCms.ImageCmsProfile(io.BytesIO(own))
            srgb = ImageCms.createProfile("sRGB")
            shown = ImageCms.profileToProfile(shown, given, srgb, outputMode="RGB") or shown
        except (ImageCms.PyCMSError, OSError):
            pass
    if picture.alpha is not None:
        shown = shown.convert("RGB")
        shown.putalpha(Image.fromarray(np.ascontiguousarray(picture.alpha)))
    return shown


def screen_view(picture: Picture) -> np.ndarray:
    """Return H x W x 3 uint8 in sRGB, without alpha."""
    return np.asarray(screen_image(picture).convert("RGB"))
