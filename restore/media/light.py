"""The sRGB transfer function, and detection of linear profiles.

Files hold either values proportional to light (linear) or, nearly always, values spaced roughly as
the eye perceives brightness (encoded). Networks are trained on encoded values.
"""

from __future__ import annotations

import struct

import numpy as np

# Files may hold any float. NaN and infinity pass through unchanged.
_any_float = np.errstate(over="ignore", invalid="ignore")


@_any_float
def encode(light: np.ndarray) -> np.ndarray:
    """Apply the sRGB curve (IEC 61966-2-1) to linear float32, mirrored below zero."""
    size = np.abs(light)
    curve = 1.055 * np.power(size, np.float32(1 / 2.4)) - 0.055
    return np.copysign(np.where(size <= 0.0031308, 12.92 * size, curve), light).astype(np.float32)


@_any_float
def decode(encoded: np.ndarray) -> np.ndarray:
    """Invert `encode`. Results too large for float32 become infinity."""
    size = np.abs(encoded)
    curve = np.power((size + 0.055) / 1.055, np.float32(2.4))
    return np.copysign(np.where(size <= 0.04045, size / 12.92, curve), encoded).astype(np.float32)


def is_linear(profile: bytes) -> bool:
    """Whether all tone curves of an ICC profile (ICC.1 10.6 and 10.18) are the identity. False
    for profiles without curves and for damaged ones."""
    try:
        (count,) = struct.unpack_from(">I", profile, 128)
        tags = [struct.unpack_from(">4sII", profile, 132 + 12 * i) for i in range(min(count, 200))]
        curves = [profile[at : at + size] for name, at, size in tags if name[1:] == b"TRC"]
        return bool(curves) and all(_is_identity(curve) for curve in curves)
    except struct.error:
        return False


def _is_identity(curve: bytes) -> bool:
    if curve[:4] == b"para":
        kind, gamma = struct.unpack_from(">Hxxi", curve, 8)
        return bool(kind == 0 and gamma == 1 << 16)
    (count,) = struct.unpack_from(">I", curve, 8)
    if curve[:4] != b"curv" or len(curve) < 12 + 2 * count:
        return False
    values = np.frombuffer(curve, ">u2", count, 12)
    if count < 2:  # no value is the identity; one is an exponent with 8 fractional bits
        return count == 0 or int(values[0]) == 1 << 8
    return bool(np.abs(values - np.linspace(0, 65535, count)).max() <= 64)
