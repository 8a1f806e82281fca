"""The 8-bit sRGB view of a picture that the page shows; the download is the real file."""

from __future__ import annotations

import io
import math
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageCms

from restore.files import atomic_path
from restore.media import image as media
from restore.media.code_points import profile
from restore.media.picture import CICP, ICC, Picture

_EXACT = 4_000_000
"""Pixels up to which a view is a PNG; above, compression takes seconds and a JPEG is sent."""
_MOST = 40_000_000
"""Pixels of a view. Browsers hold 4 bytes for each; larger pictures are shown reduced."""
_QUALITY = 95


def write_view(source: Path, view: Path, max_pixels: int) -> None:
    """Write the view of a picture, a PNG or a JPEG, to ``view``. Raises `ImageError`."""
    picture = media.read(source, max_pixels=max_pixels).in_8_bits()
    shown = _reduced(_in_srgb(picture))
    with atomic_path(view) as temporary:
        if shown.width * shown.height <= _EXACT:
            shown.save(temporary, "PNG", compress_level=1)
        else:
            shown.convert("RGB").save(temporary, "JPEG", quality=_QUALITY, subsampling=0)


def media_type(view: Path) -> str:
    """Return the media type of a view."""
    with open(view, "rb") as file:
        return "image/png" if file.read(4) == b"\x89PNG" else "image/jpeg"


def _in_srgb(picture: Picture) -> Image.Image:
    shown = Image.fromarray(np.ascontiguousarray(picture.pixels))
    own = picture.info.get(ICC) or (profile(picture.info[CICP]) if CICP in picture.info else None)
    if own:
        try:
            srgb = ImageCms.createProfile("sRGB")
            given = ImageCms.ImageCmsProfile(io.BytesIO(own))
            converted = ImageCms.profileToProfile(shown, given, srgb, outputMode="RGB")
            shown = converted or shown
        except (ImageCms.PyCMSError, OSError):
            pass  # a damaged profile, which the result keeps
    if picture.alpha is not None:
        shown = shown.convert("RGB")
        shown.putalpha(Image.fromarray(np.ascontiguousarray(picture.alpha)))
    return shown


def _reduced(shown: Image.Image) -> Image.Image:
    scale = math.sqrt(_MOST / (shown.width * shown.height))
    if scale >= 1:
        return shown
    size = (max(1, round(shown.width * scale)), max(1, round(shown.height * scale)))
    return Image.fromarray(cv2.resize(np.asarray(shown), size, interpolation=cv2.INTER_AREA))
