"""The 8-bit sRGB view of a picture that the page shows; the download is the real file."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from restore.files import atomic_path
from restore.media import image as media
from restore.media.screen import JPEG_QUALITY, LOSSLESS_UP_TO, screen_image

_MOST = 40_000_000
"""Pixels of a view. Browsers hold 4 bytes for each; larger pictures are shown reduced."""


def write_view(source: Path, view: Path, max_pixels: int) -> None:
    """Write the view of a picture, a PNG or a JPEG, to ``view``. Raises `ImageError`."""
    shown = _reduced(screen_image(media.read(source, max_pixels=max_pixels)))
    with atomic_path(view) as temporary:
        if shown.width * shown.height <= LOSSLESS_UP_TO:
            shown.save(temporary, "PNG", compress_level=1)
        else:
            shown.convert("RGB").save(temporary, "JPEG", quality=JPEG_QUALITY, subsampling=0)


def media_type(view: Path) -> str:
    """Return the media type of a view."""
    with open(view, "rb") as file:
        return "image/png" if file.read(4) == b"\x89PNG" else "image/jpeg"


def _reduced(shown: Image.Image) -> Image.Image:
    scale = math.sqrt(_MOST / (shown.width * shown.height))
    if scale >= 1:
        return shown
    size = (max(1, round(shown.width * scale)), max(1, round(shown.height * scale)))
    return Image.fromarray(cv2.resize(np.asarray(shown), size, interpolation=cv2.INTER_AREA))
