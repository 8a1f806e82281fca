"""EXIF, XMP and resolution. Damaged metadata is dropped; the pixels are still read."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterator
from typing import BinaryIO

from PIL import ExifTags, Image

from restore.media import exif_block, exif_of_tiff

_STORAGE_TAGS = frozenset(
    (
        *(254, 255, 256, 257, 258, 259, 262, 263, 266, 273, 277, 278, 279, 284, 292, 293, 317),
        *(320, 322, 323, 324, 325, 330, 332, 338, 339, 340, 341, 347, 512, 513, 514, 529, 530),
        *(532, 700, 33723, 34377, 34675, 37724),
    )
)
"""Tags of EXIF and TIFF that describe how and where the old pixels are stored, and profiles and
Photoshop layers embedded as tags. None of them is true of the new file."""

_RESOLUTION = (ExifTags.Base.XResolution, ExifTags.Base.YResolution, ExifTags.Base.ResolutionUnit)
_ORIENTATION_IN_XMP = re.compile(rb"(tiff:Orientation(?:>|\s*=\s*[\"']))[2-8]")

DAMAGED = "its EXIF is damaged and not kept"
_SIDEWAYS = frozenset((5, 6, 7, 8))
"""Orientations that exchange height and width."""

ODDITIES = (
    *(ValueError, TypeError, LookupError, ArithmeticError, AttributeError),
    *(OSError, EOFError, SyntaxError, struct.error),
)
"""Errors raised by Pillow's metadata parsers on damaged data."""


def orientation_of(exif: Image.Exif) -> int:
    """Return the orientation, 1 to 8; 1 if the tag is missing or invalid."""
    value = exif.get(ExifTags.Base.Orientation, 1)
    return value if value in range(1, 9) else 1


def turned(height: int, width: int, orientation: int) -> tuple[int, int]:
    """Return (height, width) after an image has been turned upright."""
    return (width, height) if orientation in _SIDEWAYS else (height, width)


def kept(block: bytes, turned: bool = True) -> bytes | None:
    """Return an EXIF block for pixels that have been turned upright, byte for byte except for the
    thumbnail and tags about the old file.

    ``turned``: False for pixels as they were stored; their orientation is kept. Returns None if no
    other tag is left. Raises `ValueError` if the block is damaged.
    """
    return exif_block.without(block, _STORAGE_TAGS, _RESOLUTION, turned)


def kept_of_tiff(stream: BinaryIO) -> bytes | None:
    """Collect the tags of a TIFF, or of a raw file with a TIFF header, that are not about its
    pixels, as `kept` returns them. Raises `ValueError` if they are damaged."""
    dropped = (*_STORAGE_TAGS, *_RESOLUTION, ExifTags.Base.Orientation)
    return exif_of_tiff.block_of(stream, frozenset(dropped)) or None


def written(exif: Image.Exif) -> bytes | None:
    """Serialise EXIF that is not stored as a block, as `kept` returns it. Raises `ODDITIES`."""
    for tag in (ExifTags.Base.Orientation, *_STORAGE_TAGS):
        exif.pop(tag, None)
    if set(exif) <= set(_RESOLUTION):  # formats store the resolution in fields of their own
        return None
    return exif.tobytes()


def upright_xmp(packet: bytes) -> bytes:
    """Set the orientation in an XMP packet to upright."""
    return _ORIENTATION_IN_XMP.sub(rb"\g<1>1", packet)


def resolution(stated: object) -> tuple[float, float] | None:
    """Return dots per inch (across, down), or None if other formats cannot store the values."""
    try:
        x, y = (float(v) for v in stated)  # type: ignore[attr-defined]
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    if (x, y) == (1, 1):  # Pillow's default for a TIFF without a resolution
        return None
    return (x, y) if all(math.isfinite(v) and 0 < v < 65535 for v in (x, y)) else None


def riff_chunks(content: bytes, start: int = 12, end: int = -1) -> Iterator[tuple[bytes, int, int]]:
    """List the chunks of a RIFF file (WebP): name, start and end of the content."""
    end = len(content) if end < 0 else end
    while start + 8 <= end:
        name, size = struct.unpack_from("<4sI", content, start)
        yield name, start + 8, min(start + 8 + size, end)
        start += 8 + size + size % 2
