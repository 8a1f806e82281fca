"""JPEG 2000: 8 and 16 bits, written losslessly, with profile, EXIF and XMP.

imagecodecs (OpenJPEG) reads and writes the pixels. The boxes around them (ISO/IEC 15444-1, annex I)
are read and written here.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from restore.errors import ImageError
from restore.media import assembly, metadata
from restore.media.colour import srgb_of_cmyk
from restore.media.formats.format import Format, check_size
from restore.media.formats.isobmff import box, contents
from restore.media.picture import DEPTHS, EXIF, ICC, XMP, Picture

_SIZE = b"\xff\x4f\xff\x51"
"""The markers that begin a code stream: start, and size."""
_MAGIC = (b"\0\0\0\x0cjP  \r\n\x87\n", _SIZE)
_MOST_CHANNELS = 5
_UUIDS = {
    XMP: bytes.fromhex("be7acfcb97a942e89c71999491e3afac"),
    EXIF: b"JpgTiffExif->JP2",
}
_RESTRICTED_PROFILE = b"\x02\0\0"
_PROFILES = (b"\x02", b"\x03")
"""First byte of a colour box with an ICC profile: restricted, which is written, and any."""
_SRGB = b"\1\0\0" + struct.pack(">I", 16)
_CMYK = struct.pack(">I", 12)
"""Colour spaces of a colour box (annex I.5.3.3)."""


def recognises(head: bytes) -> bool:
    return head.startswith(_MAGIC)


def decode(stream: BinaryIO, max_pixels: int) -> Picture:
    import imagecodecs

    check_size(*_size(stream), max_pixels)
    stream.seek(0)
    content = stream.read()
    channels, depth = struct.unpack_from(">HB", _code_stream(content), 40)
    if channels > _MOST_CHANNELS:
        raise ImageError(f"holds {channels} channels; at most {_MOST_CHANNELS} are supported")
    data = imagecodecs.jpeg2k_decode(_without_profile(content))
    if data.dtype not in (DEPTHS["8"], DEPTHS["16"]):
        raise ImageError(f"holds {data.dtype} pixels; 8 and 16 bits are supported")
    white, full = np.iinfo(data.dtype).max, (2 << (depth & 0x7F)) - 1
    if full != white:
        data = np.rint(np.minimum(data, full) * (white / full)).astype(data.dtype)
    info, turn, notes = _carried(content)
    if _is_ink(content):
        data, info[ICC], note = srgb_of_cmyk(np.ascontiguousarray(data[..., :4]), info.get(ICC))
        notes = (*notes, note)
    return assembly.picture(assembly.upright(data, turn), info, notes)


def _size(stream: BinaryIO) -> tuple[int, int]:
    """Read (height, width) from the size marker of the code stream (annex A.5.1)."""
    stream.seek(0)
    right, bottom, left, top = struct.unpack_from(">4I", _code_stream(stream.read()), 8)
    return bottom - top, right - left


def _code_stream(content: bytes) -> bytes:
    """Return the code stream, which begins with its size."""
    if content.startswith(_SIZE):
        return content
    found = next((body for name, body in contents(content) if name == b"jp2c"), b"")
    if not found.startswith(_SIZE):
        raise ImageError("holds no pixels, or its header is not valid")
    return found


def _colour(content: bytes) -> bytes:
    """Return the colour box, or nothing (annex I.5.3.3)."""
    header = dict(contents(content)).get(b"jp2h", b"")
    return next((body for name, body in contents(header) if name == b"colr"), b"")


def _without_profile(content: bytes) -> bytes:
    """Replace the profile by sRGB. imagecodecs would convert the pixels by the profile."""
    if content.startswith(_SIZE):
        return content
    parts = []
    for name, body in contents(content):
        if name == b"jp2h":
            inner = (
                (n, _SRGB if n == b"colr" and b[:1] in _PROFILES else b) for n, b in contents(body)
            )
            body = b"".join(box(*part) for part in inner)
        parts.append(box(name, body))
    return b"".join(parts)


def _is_ink(content: bytes) -> bool:
    colour = _colour(content)
    if colour[:1] == b"\1":
        return colour[3:7] == _CMYK
    return colour[3 + 16 : 3 + 20] == b"CMYK"


def _carried(content: bytes) -> tuple[dict[str, Any], int, tuple[str, ...]]:
    colour = _colour(content)
    info: dict[str, Any] = {ICC: colour[3:] if colour[:1] in _PROFILES else None}
    turn = 1
    notes: tuple[str, ...] = ()
    for name, body in contents(content):
        if name == b"uuid" and body[:16] == _UUIDS[XMP]:
            info[XMP] = metadata.upright_xmp(body[16:])
        elif name == b"uuid" and body[:16] == _UUIDS[EXIF]:
            try:
                exif = Image.Exif()
                exif.load(body[16:])
                turn = metadata.orientation_of(exif)
                info[EXIF] = metadata.kept(body[16:])
            except metadata.ODDITIES:
                notes = (metadata.DAMAGED,)
    return info, turn, notes


def encode(picture: Picture) -> bytes:
    import imagecodecs

    data = assembly.stacked(picture)
    content = bytes(imagecodecs.jpeg2k_encode(data, level=0, reversible=True, codecformat="jp2"))
    written = []
    for name, body in contents(content):
        if name == b"jp2h":
            body = b"".join(box(*part) for part in _header(picture, body))
        if name == b"jp2c":
            for key, uuid in _UUIDS.items():
                if kept := picture.info.get(key):
                    written.append(box(b"uuid", uuid + kept.removeprefix(b"Exif\0\0")))
        written.append(box(name, body))
    return b"".join(written)


def _header(picture: Picture, body: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the boxes of a header with the profile and, for alpha, channel definitions
    (I.5.3.6)."""
    profile = picture.info.get(ICC)
    for name, part in contents(body):
        yield name, _RESTRICTED_PROFILE + profile if profile and name == b"colr" else part
    if picture.alpha is not None:
        colours = 1 if picture.pixels.ndim == 2 else 3
        meanings = [(i, 0, i + 1) for i in range(colours)] + [(colours, 1, 0)]
        numbers = [n for meaning in meanings for n in meaning]
        yield b"cdef", struct.pack(f">H{len(numbers)}H", len(meanings), *numbers)


JPEG2000 = Format(
    "JPEG2000",
    (".jp2", ".j2k"),
    recognises,
    decode,
    encode,
    depths=("8", "16"),
    keeps=(ICC, EXIF, XMP),
)
