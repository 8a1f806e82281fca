"""Conversions between greyscale, RGB and CMYK."""

from __future__ import annotations

import functools

import numpy as np


def rgb(image: np.ndarray) -> np.ndarray:
    """Return H x W x 3 of any dtype: a greyscale image (H x W) repeated, any other unchanged."""
    return np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else image


def srgb_of_cmyk(ink: np.ndarray, profile: bytes | None) -> tuple[np.ndarray, bytes | None, str]:
    """Convert CMYK to RGB.

    Uses the profile with relative colorimetric intent. Without a valid profile, uses
    (1 - ink) (1 - black), as programs without colour management do.

    Args:
        ink: H x W x 4, uint8 or uint16; full scale is full ink.

    Returns:
        H x W x 3 of the same type, its profile, and a note for the user.
    """
    if profile:
        try:
            return _by_profile(ink, profile), _srgb_profile(), "CMYK was converted to sRGB"
        except Exception:  # noqa: BLE001 - a damaged profile raises errors of many types
            pass
    full = np.iinfo(ink.dtype).max
    light = full - ink.astype(np.uint32)
    mixed = (light[..., :3] * light[..., 3:].astype(np.uint64) + full // 2) // full
    note = "CMYK without a valid profile was converted to RGB; colours are approximate"
    return mixed.astype(ink.dtype), None, note


def _by_profile(ink: np.ndarray, profile: bytes) -> np.ndarray:
    import imagecodecs
    from PIL.ImageCms import Intent

    return imagecodecs.cms_transform(
        ink,
        profile,
        _srgb_profile(),
        colorspace="cmyk",
        outcolorspace="rgb",
        intent=int(Intent.RELATIVE_COLORIMETRIC),
    )


def is_of_grey(profile: bytes) -> bool:
    """Whether an ICC profile (ICC.1 7.2.8) describes greyscale images."""
    return profile[16:20] == b"GRAY"


@functools.cache
def _srgb_profile() -> bytes:
    from PIL import ImageCms

    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
