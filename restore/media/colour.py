"""Between grey, colour and ink."""

from __future__ import annotations

import functools

import numpy as np


def rgb(image: np.ndarray) -> np.ndarray:
    """H x W x 3, of whatever dtype: a grey picture (H x W) three times, another as it is."""
    return np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else image


def srgb_of_cmyk(ink: np.ndarray, profile: bytes | None) -> tuple[np.ndarray, bytes | None, str]:
    """H x W x 4 (uint8 or uint16, full scale is full ink) to H x W x 3 of the same type, the
    profile it is in, and a note.

    By the profile where there is one that works (relative colorimetric), else by
    (1 - ink) (1 - black), which is what programs without a profile show.
    """
    if profile:
        try:
            return _by_profile(ink, profile), _srgb_profile(), "CMYK was converted to sRGB"
        except Exception:  # noqa: BLE001 - a profile is a program of sorts, and may be broken
            pass
    full = np.iinfo(ink.dtype).max
    light = full - ink.astype(np.uint32)
    mixed = (light[..., :3] * light[..., 3:].astype(np.uint64) + full // 2) // full
    note = "CMYK without a profile that works was converted to RGB; colours are approximate"
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
    """Whether an ICC profile (ICC.1 7.2.8) is one of grey pictures."""
    return profile[16:20] == b"GRAY"


@functools.cache
def _srgb_profile() -> bytes:
    from PIL import ImageCms

    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
