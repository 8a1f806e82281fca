"""Colour of JPEG XL: its code points, and conversion to and from the linear light of sRGB.

Lossy files store colours as XYB, which is computed from linear light with the primaries of sRGB.
imagecodecs assumes sRGB, so other colours are converted here. Colours beyond sRGB are negative or
above white and keep their precision.
"""

from __future__ import annotations

import numpy as np

from restore.media import light
from restore.media.code_points import (
    HLG,
    LINEAR,
    PQ,
    SRGB,
    UNSPECIFIED,
    CodePoints,
    curve_of,
    matrix_profile,
    primaries_of,
    profile,
)
from restore.media.colour import is_of_grey, rgb
from restore.media.formats.jpegxl.code_stream_header import CUSTOM, D65, GREY, JxlColour

_E, _DCI = 10, 11
_WHITES = {D65: (0.3127, 0.3290), _E: (1 / 3, 1 / 3), _DCI: (0.314, 0.351)}
_PRIMARIES = {(D65, 1): 1, (D65, 9): 9, (D65, 11): 12, (_DCI, 11): 11}
"""Code points by white point and primaries of JPEG XL."""
_CAMERA = 1
_TRANSFERS = {1: _CAMERA, 6: _CAMERA, 14: _CAMERA, 15: _CAMERA, UNSPECIFIED: SRGB} | {
    own: own for own in (LINEAR, SRGB, PQ, HLG)
}
"""Transfer characteristics of JPEG XL by code points. Some of these state equal curves."""
_OF_2020 = np.array(
    (
        (1.660491, -0.587641, -0.072850),
        (-0.124550, 1.132900, -0.008349),
        (-0.018151, -0.100579, 1.118730),
    )
)
"""From linear light of BT.2020 to that of sRGB."""
_LUMINANCE_OF_2020 = np.array((0.2627, 0.6780, 0.0593))
_WHITE = 255.0
"""The intensity in cd/m2 of the value 1 in XYB."""
PEAKS = {PQ: 10_000.0, HLG: 1000.0}
"""Intensity of white in cd/m2, unless a file states another."""
_RELATIVE = 1
BT2020 = 9
_LINEAR_SRGB = CodePoints(1, LINEAR)


def stated_colour(points: CodePoints) -> JxlColour | None:
    """Return code points in JPEG XL's own numbers; None if it has none for them."""
    of_srgb = 1
    primaries = of_srgb if points.primaries == UNSPECIFIED else points.primaries
    transfer = _TRANSFERS.get(points.transfer)
    for (white, own), known in _PRIMARIES.items():
        if known == primaries and transfer is not None:
            return JxlColour(white=white, primaries=own, transfer=transfer)
    return None


def code_points(colour: JxlColour) -> CodePoints | None:
    """Invert `stated_colour`; None for colours without code points."""
    primaries = _PRIMARIES.get((colour.white, colour.primaries))
    if primaries is None or colour.gamma or colour.transfer not in _TRANSFERS.values():
        return None
    return CodePoints(primaries, colour.transfer)


def icc_profile(colour: JxlColour) -> bytes | None:
    """Return a profile of a colour without code points; None if there is none."""
    corners = list(colour.corners)
    white = corners.pop(0) if colour.white == CUSTOM else _WHITES.get(colour.white)
    if colour.primaries != CUSTOM:
        known = _PRIMARIES.get((D65, colour.primaries))
        corners = [] if known is None else list(primaries_of(known)[:3])
    curve = (1 / colour.gamma,) if colour.gamma else curve_of(colour.transfer)
    if colour.space == GREY or not corners or white is None or curve is None:
        return None
    try:
        return matrix_profile("JPEG XL", (*corners, white), curve)
    except (ValueError, ArithmeticError):
        return None


def to_linear_srgb(values: np.ndarray, points: CodePoints, icc: bytes, peak: float) -> np.ndarray:
    """Convert to the linear light of sRGB.

    Args:
        values: H x W or H x W x 3, float32 in [0, 1].
        points: their colour, unless ``icc`` is their profile.
        peak: intensity of white in cd/m2, for HLG.

    Raises:
        RuntimeError: if the profile cannot be applied.
    """
    if icc:
        return _converted(values, icc, _linear_profile())
    if points.is_hdr:
        return _light_of_hdr(values, points.transfer, peak)
    if points.is_srgb:
        return light.decode(values)
    if (points.primaries, points.transfer) == _LINEAR_SRGB[:2]:
        return values
    linear = _converted(rgb(values), profile(points) or b"", _linear_profile())
    return linear if values.ndim == 3 else np.ascontiguousarray(linear[..., 1])


def from_linear_srgb(values: np.ndarray, icc: bytes) -> np.ndarray:
    """Invert `to_linear_srgb` for a profile."""
    return _converted(values, _linear_profile(), icc)


def can_convert(icc: bytes) -> bool:
    """Whether a profile can be applied in both directions."""
    sample = np.zeros((1, 1) if is_of_grey(icc) else (1, 1, 3), np.float32)
    try:
        from_linear_srgb(_converted(sample, icc, _linear_profile()), icc)
    except Exception:  # noqa: BLE001 - a damaged profile raises errors of many types
        return False
    return True


def _linear_profile() -> bytes:
    return profile(_LINEAR_SRGB) or b""


def _converted(values: np.ndarray, source: bytes, target: bytes) -> np.ndarray:
    """Convert floats between profiles. A profile of grey has grey on its side."""
    import imagecodecs

    if is_of_grey(target):
        values = rgb(values)
    spaces = ["gray" if is_of_grey(icc) else "rgb" for icc in (source, target)]
    made = imagecodecs.cms_transform(
        *(np.ascontiguousarray(values), source, target),
        colorspace=spaces[0],
        outcolorspace=spaces[1],
        outdtype=np.float32,
        intent=_RELATIVE,
    )
    grey = is_of_grey(source) and made.ndim == 3
    return np.ascontiguousarray(made[..., 1]) if grey else made


def _light_of_hdr(values: np.ndarray, transfer: int, peak: float) -> np.ndarray:
    """Apply the curves of ITU-R BT.2100 to values with its primaries."""
    encoded = np.clip(values.astype(np.float64), 0, 1)
    if transfer == PQ:
        shown = _pq(encoded) * PEAKS[PQ]
    else:
        scene = _hlg(encoded)
        luminance = scene @ _LUMINANCE_OF_2020 if scene.ndim == 3 else scene
        gamma = 1.2 * 1.111 ** np.log2(peak / PEAKS[HLG])
        gain = np.power(np.maximum(luminance, 1e-9), gamma - 1)
        shown = scene * (gain[..., None] if scene.ndim == 3 else gain) * peak
    linear = shown / _WHITE
    return (linear @ _OF_2020.T if linear.ndim == 3 else linear).astype(np.float32)


def _pq(encoded: np.ndarray) -> np.ndarray:
    power = np.power(encoded, 32 / 2523)
    low, scale, slope = 3424 / 4096, 2413 / 128, 2392 / 128
    return np.power(np.maximum(power - low, 0) / (scale - slope * power), 16384 / 2610)


def _hlg(encoded: np.ndarray) -> np.ndarray:
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(encoded <= 0.5, encoded**2 / 3, (np.exp((encoded - c) / a) + b) / 12)
