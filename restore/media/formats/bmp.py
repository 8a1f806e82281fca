"""BMP: 8 bits, by Pillow. The ICC profile of version 5 is read but not written."""

from __future__ import annotations

import struct
from typing import BinaryIO

from restore.media import assembly
from restore.media.formats import pillow_helpers
from restore.media.formats.format import NO_ALPHA, Format, check_size
from restore.media.picture import DPI, ICC, Picture

_NAME = "BMP"
_KEEPS = (DPI,)
_FILE_HEADER, _HEADER_V5 = 14, 124
"""Bytes of the header of the file, and of the bitmap in version 5."""
_EMBEDDED = b"DEBM"
"""The colour space of a BITMAPV5HEADER with an embedded profile, as stored."""


def recognises(head: bytes) -> bool:
    return head.startswith(b"BM")


def decode(stream: BinaryIO, max_pixels: int) -> Picture:
    with pillow_helpers.identified(stream, _NAME) as file:
        check_size(file.height, file.width, max_pixels)
        return pillow_helpers.decode(file, {ICC: _profile(assembly.peeked(stream))})


def _profile(content: bytes) -> bytes:
    """Return the ICC profile embedded in a file; empty if there is none."""
    header = content[_FILE_HEADER : _FILE_HEADER + _HEADER_V5]
    if len(header) < _HEADER_V5 or header[56:60] != _EMBEDDED:
        return b""
    if struct.unpack_from("<I", header)[0] < _HEADER_V5:  # an older version ends before this field
        return b""
    at, length = struct.unpack_from("<2I", header, 112)
    return content[_FILE_HEADER + at :][:length]


def encode(picture: Picture) -> bytes:
    return pillow_helpers.encode(picture, _NAME, _KEEPS)


BMP = Format(
    _NAME,
    (".bmp",),
    recognises,
    decode,
    encode,
    size=pillow_helpers.sizer(_NAME),
    aliases=(".dib",),
    alpha=NO_ALPHA,
    keeps=_KEEPS,
)
