"""The pixel aspect ratio in Matroska and WebM, which PyAV cannot pass to the muxer."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from restore.media.video.matroska_tracks import Parts, change, element

ROOM = "\N{WORD JOINER}" * 16
"""Appended to the title of the video stream: 48 bytes."""

_VIDEO = 0xE0
_DISPLAY_WIDTH, _DISPLAY_HEIGHT, _DISPLAY_UNIT = 0x54B0, 0x54BA, 0x54B2
_PIXELS, _PROPORTION = 0, 3


def put(path: Path, size: tuple[int, int], pixel_aspect: Fraction) -> bool:
    """Store that frames of ``size`` (height, width) have pixels ``pixel_aspect`` times as wide as
    high, in a file whose video stream has `ROOM` in its title. Returns whether it was found."""

    def shown(parts: Parts) -> Parts:
        added = _shown(size, pixel_aspect)
        return [(kind, part + added if kind == _VIDEO else part) for kind, part in parts]

    return change(path, ROOM, shown)


def _shown(size: tuple[int, int], pixel_aspect: Fraction) -> bytes:
    """Return the display size: in pixels if both are integers, else as a ratio."""
    height, width = size
    wide = width * pixel_aspect
    unit = _PIXELS if wide.denominator == 1 else _PROPORTION
    shape = (int(wide), height) if unit == _PIXELS else (wide / height).as_integer_ratio()
    values = ((_DISPLAY_WIDTH, shape[0]), (_DISPLAY_HEIGHT, shape[1]), (_DISPLAY_UNIT, unit))
    return b"".join(element(kind, value.to_bytes(4, "big")) for kind, value in values)
