"""Colour stated by code points (ITU-T H.273), as in AVIF, HEIC and PNG, and equal ICC profiles."""

from __future__ import annotations

import struct
from typing import NamedTuple

import numpy as np

UNSPECIFIED = 2
LINEAR, SRGB, PQ, HLG = 8, 13, 16, 18
"""Transfer characteristics."""
HDR = {PQ: "PQ", HLG: "HLG"}
_BT709, _P3 = 1, 12
_D65 = (0.3127, 0.3290)
_PRIMARIES = {
    1: ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060), _D65),
    5: ((0.640, 0.330), (0.290, 0.600), (0.150, 0.060), _D65),
    6: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), _D65),
    7: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), _D65),
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), _D65),
    11: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), (0.314, 0.351)),
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), _D65),
}
"""x and y of red, green, blue and white by code point."""
_CAMERA = (1 / 0.45, 1 / 1.099, 0.099 / 1.099, 1 / 4.5, 0.081)
_CURVES = {
    1: _CAMERA,
    4: (2.2,),
    5: (2.8,),
    6: _CAMERA,
    8: (1.0,),
    13: (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045),
    14: _CAMERA,
    15: _CAMERA,
}
"""Parameters g, a, b, c, d of ICC's parametric curves, by transfer characteristics."""
_BRADFORD = np.array(
    ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))
)
_D50 = np.array((0.9642, 1.0, 0.8249))
_NAMES = {1: "BT.709", 9: "BT.2020", 11: "DCI-P3", 12: "Display P3"}


class CodePoints(NamedTuple):
    """``primaries``, ``transfer``, ``matrix``: of RGB values, and of their coding as YCbCr."""

    primaries: int
    transfer: int
    matrix: int = 6

    @property
    def is_srgb(self) -> bool:
        """Whether readers assume the same colours without a statement."""
        return self.primaries in (_BT709, UNSPECIFIED) and self.transfer in (SRGB, UNSPECIFIED)

    @property
    def is_hdr(self) -> bool:
        return self.transfer in HDR

    def __str__(self) -> str:
        return f"{self.primaries}/{self.transfer}"


def profile(points: CodePoints) -> bytes | None:
    """Return an ICC profile (version 4) of the same colour space; None for HDR and code points
    without one."""
    primaries = _BT709 if points.primaries == UNSPECIFIED else points.primaries
    transfer = SRGB if points.transfer == UNSPECIFIED else points.transfer
    if primaries not in _PRIMARIES or transfer not in _CURVES:
        return None
    name = f"{_NAMES.get(primaries, f'primaries {primaries}')}, transfer {transfer}"
    return matrix_profile(name, _PRIMARIES[primaries], _CURVES[transfer])


def primaries_of(primaries: int) -> tuple[tuple[float, float], ...]:
    """Return x and y of red, green, blue and white. Raises `KeyError` for unknown code points."""
    return _PRIMARIES[primaries]


def curve_of(transfer: int) -> tuple[float, ...] | None:
    """Return the parameters of an ICC curve for transfer characteristics; None for HDR and unknown
    ones."""
    return _CURVES.get(transfer)


def matrix_profile(
    name: str, chromaticities: tuple[tuple[float, float], ...], curve: tuple[float, ...]
) -> bytes:
    """Build a display profile (ICC.1:2022) of red, green, blue and white, and one tone curve.

    Raises `ValueError` for chromaticities that span no colour space.
    """
    *corners, white = (np.array((x / y, 1, (1 - x - y) / y)) for x, y in chromaticities)
    columns = np.stack(corners, axis=1)
    try:
        rgb = columns * np.linalg.solve(columns, white)
        gains = (_BRADFORD @ _D50) / (_BRADFORD @ white)
    except np.linalg.LinAlgError as error:
        raise ValueError("primaries span no colour space") from error
    adapt = np.linalg.inv(_BRADFORD) @ np.diag(gains) @ _BRADFORD
    kind = 0 if len(curve) == 1 else 3
    tone = b"para\0\0\0\0" + struct.pack(f">Hxx{len(curve)}i", kind, *map(_fixed, curve))
    tags = {
        b"desc": _text(name),
        b"cprt": _text("No copyright, use freely"),
        b"wtpt": _xyz(_D50),
        b"chad": b"sf32\0\0\0\0" + struct.pack(">9i", *map(_fixed, adapt.ravel())),
        **{
            tag: _xyz(column)
            for tag, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), (adapt @ rgb).T, strict=True)
        },
        **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), tone),
    }
    return _assembled(tags)


def _assembled(tags: dict[bytes, bytes]) -> bytes:
    at, index, bodies = 132 + 12 * len(tags), b"", b""
    for tag, body in tags.items():
        index += struct.pack(">4sII", tag, at + len(bodies), len(body))
        bodies += body + bytes(-len(body) % 4)
    head = struct.pack(">I4xI", at + len(bodies), 0x04400000) + b"mntrRGB XYZ "
    head += struct.pack(">6H", 2024, 1, 1, 0, 0, 0) + b"acsp"
    head = head.ljust(68, b"\0") + struct.pack(">3i", *map(_fixed, _D50))
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + index + bodies


def _fixed(value: float) -> int:
    return round(float(value) * 65536)


def _xyz(value: np.ndarray) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *map(_fixed, value))


def _text(text: str) -> bytes:
    coded = text.encode("utf-16-be")
    return b"mluc\0\0\0\0" + struct.pack(">II2s2sII", 1, 12, b"en", b"US", len(coded), 28) + coded
