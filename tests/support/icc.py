"""Colour profiles made by hand (ICC.1): as small as can be, and valid."""

from __future__ import annotations

import struct

import numpy as np

# The primaries of a wide space, adapted to D50: swapped with sRGB's, every pixel changes.
_PRIMARIES = {
    b"rXYZ": (0.7977, 0.2880, 0.0),
    b"gXYZ": (0.1352, 0.7119, 0.0),
    b"bXYZ": (0.0313, 0.0001, 0.8251),
}
_D50 = (0.9642, 1.0, 0.8249)


def rgb(gamma: float) -> bytes:
    """Of a display with wide primaries; 1.0 is linear."""
    tags = {name: _xyz(value) for name, value in _PRIMARIES.items()}
    tags |= {name: _power(gamma) for name in (b"rTRC", b"gTRC", b"bTRC")}
    return _profile(b"mntr", b"RGB ", b"XYZ ", tags)


def grey(gamma: float) -> bytes:
    return _profile(b"mntr", b"GRAY", b"XYZ ", {b"kTRC": _power(gamma)})


def cmyk() -> bytes:
    """Of a printer: paper is L* 100, each ink takes 20 of it, black 60; colours stay grey."""
    corners = np.stack(np.meshgrid(*[[0, 1]] * 4, indexing="ij"), axis=-1).reshape(16, 4)
    lightness = np.clip(100 - corners @ np.array([20, 20, 20, 60]), 0, 100)
    lab = np.stack((lightness * 255 / 100, np.full(16, 128), np.full(16, 128)), axis=1)
    identity = struct.pack(">9i", *(0x10000 * value for value in (1, 0, 0, 0, 1, 0, 0, 0, 1)))
    ramp = bytes(range(256))
    table = (
        b"mft1\0\0\0\0"
        + bytes((4, 3, 2, 0))
        + identity
        + ramp * 4
        + np.rint(lab).astype(np.uint8).tobytes()
        + ramp * 3
    )
    return _profile(b"prtr", b"CMYK", b"Lab ", {b"A2B0": table, b"A2B1": table})


def _xyz(value: tuple[float, ...]) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(v * 65536) for v in value))


def _power(gamma: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"


def _profile(kind: bytes, space: bytes, between: bytes, tags: dict[bytes, bytes]) -> bytes:
    text = b"made by hand\0"
    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + bytes(78),
        b"cprt": b"text\0\0\0\0" + text,
        b"wtpt": _xyz(_D50),
        **tags,
    }
    at = 132 + 12 * len(tags)
    index, bodies = b"", b""
    for name, body in tags.items():
        index += struct.pack(">4sII", name, at + len(bodies), len(body))
        bodies += body + bytes(-len(body) % 4)
    size = at + len(bodies)
    head = struct.pack(">I4xI", size, 0x02400000) + kind + space + between
    head += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp"
    head = head.ljust(68, b"\0") + struct.pack(">3i", *(round(v * 65536) for v in _D50))
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + index + bodies
