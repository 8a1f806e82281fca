"""What stands around the pixels: EXIF, XMP, resolution. Damage in it costs it, not the picture."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterator
from typing import BinaryIO

from PIL import ExifTags, Image

_STORAGE_TAGS = frozenset(
    (
        *(254, 255, 256, 257, 258, 259, 262, 263, 266, 273, 277, 278, 279, 284, 292, 293, 317),
        *(320, 322, 323, 324, 325, 330, 332, 338, 339, 340, 341, 347, 512, 513, 514, 529, 530),
        *(532, 700, 33723, 34377, 34675, 37724),
    )
)
"""What EXIF and TIFF say of how and where the old pixels are stored, which would be false of the
new; and profiles and Photoshop's layers, embedded as if they were tags."""

_RESOLUTION = (ExifTags.Base.XResolution, ExifTags.Base.YResolution, ExifTags.Base.ResolutionUnit)
_ORIENTATION_IN_XMP = re.compile(rb"(tiff:Orientation(?:>|\s*=\s*[\"']))[2-8]")

DAMAGED = "its EXIF is damaged and not kept"
_SIDEWAYS = frozenset((5, 6, 7, 8))
"""The orientations that exchange height and width."""

ODDITIES = (
    *(ValueError, TypeError, LookupError, ArithmeticError, AttributeError),
    *(OSError, EOFError, SyntaxError, struct.error),
)
"""What Pillow's parsers of metadata raise where it makes no sense."""


def exif_of_tiff(stream: BinaryIO) -> Image.Exif:
    """The tags of a TIFF, or of anything that begins as one does."""
    exif = Image.Exif()
    stream.seek(0)
    exif.load_from_fp(stream)
    return exif


def orientation_of(exif: Image.Exif) -> int:
    """1 to 8; 1 where there is none."""
    value = exif.get(ExifTags.Base.Orientation, 1)
    return value if value in range(1, 9) else 1


def turned(height: int, width: int, orientation: int) -> tuple[int, int]:
    """(height, width) of a picture stored on its side, when it stands upright."""
    return (width, height) if orientation in _SIDEWAYS else (height, width)


def drop_resolution(exif: Image.Exif) -> None:
    """Of a TIFF, which has it among the tags of its pixels."""
    for tag in _RESOLUTION:
        exif.pop(tag, None)


def written(exif: Image.Exif) -> bytes | None:
    """EXIF as it is to be written beside pixels that have been turned upright, without the
    thumbnail and what concerns the old file; None where nothing is left. Raises `ODDITIES`."""
    for tag in (ExifTags.Base.Orientation, *_STORAGE_TAGS):
        exif.pop(tag, None)
    if set(exif) <= set(_RESOLUTION):  # which the format itself has a place for
        return None
    return exif.tobytes()


def upright_xmp(packet: bytes) -> bytes:
    """An XMP packet that calls the picture upright, which its pixels are by now."""
    return _ORIENTATION_IN_XMP.sub(rb"\g<1>1", packet)


def resolution(stated: object) -> tuple[float, float] | None:
    """Dots an inch, across and down, if they are such that other formats can hold them."""
    try:
        x, y = (float(v) for v in stated)  # type: ignore[attr-defined]
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    if (x, y) == (1, 1):  # what Pillow makes up for a TIFF that states none
        return None
    return (x, y) if all(math.isfinite(v) and 0 < v < 65535 for v in (x, y)) else None


def riff_chunks(content: bytes) -> Iterator[bytes]:
    """The names of a WebP's parts."""
    at = 12
    while at + 8 <= len(content):
        name, size = struct.unpack_from("<4sI", content, at)
        yield name
        at += 8 + size + size % 2
