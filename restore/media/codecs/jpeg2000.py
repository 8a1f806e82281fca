"""JPEG 2000 of 8 and 16 bits, written without loss, with profile, EXIF and XMP in its boxes.

OpenJPEG, by way of imagecodecs, knows the pixels alone; the boxes around them (ISO/IEC 15444-1,
annex I) are read and written here.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from restore.errors import ImageError
from restore.media import metadata
from restore.media.codecs import assemble
from restore.media.formats import DEPTHS, EXIF, ICC, XMP
from restore.media.picture import Picture

_SIZE = b"\xff\x4f\xff\x51"
"""How a code stream begins: with it, and its size."""
MAGIC = (b"\0\0\0\x0cjP  \r\n\x87\n", _SIZE)
_UUIDS = {
    XMP: bytes.fromhex("be7acfcb97a942e89c71999491e3afac"),
    EXIF: b"JpgTiffExif->JP2",
}
_RESTRICTED_PROFILE = b"\x02\0\0"
"""How a colour box begins that holds an ICC profile."""


def decode(stream: BinaryIO) -> Picture:
    import imagecodecs

    stream.seek(0)
    content = stream.read()
    data = imagecodecs.jpeg2k_decode(content)
    if data.dtype not in (DEPTHS["8"], DEPTHS["16"]):
        raise ImageError(f"holds {data.dtype} pixels; 8 and 16 bits are known")
    if data.dtype == DEPTHS["16"] and (full := (1 << _bits(content)) - 1) != 65535:
        data = np.rint(data * (65535 / full)).astype(np.uint16)
    info, turn, notes = _carried(content)
    return assemble.picture(assemble.upright(data, turn), info, notes)


def size(stream: BinaryIO) -> tuple[int, int]:
    """(height, width) that the code stream's size marker claims (annex A.5.1)."""
    stream.seek(0)
    content = stream.read()
    right, bottom, left, top = struct.unpack_from(">4I", content, content.index(_SIZE) + 8)
    return bottom - top, right - left


def _bits(content: bytes) -> int:
    """A channel's, from the same marker."""
    return (content[content.index(_SIZE) + 42] & 0x7F) + 1


def _carried(content: bytes) -> tuple[dict[str, Any], int, tuple[str, ...]]:
    info: dict[str, Any] = {}
    turn = 1
    notes: tuple[str, ...] = ()
    for name, body in _boxes(content):
        if name == b"jp2h":
            colour = dict(_boxes(body)).get(b"colr", b"")
            if colour.startswith(_RESTRICTED_PROFILE[:1]):
                info[ICC] = colour[3:]
        elif name == b"uuid" and body[:16] == _UUIDS[XMP]:
            info[XMP] = metadata.upright_xmp(body[16:])
        elif name == b"uuid" and body[:16] == _UUIDS[EXIF]:
            try:
                exif = Image.Exif()
                exif.load(body[16:])
                turn = metadata.orientation_of(exif)
                info[EXIF] = metadata.written(exif)
            except metadata.ODDITIES:
                notes = (metadata.DAMAGED,)
    return info, turn, notes


def encode(picture: Picture) -> bytes:
    import imagecodecs

    data = assemble.stacked(picture)
    content = bytes(imagecodecs.jpeg2k_encode(data, level=0, reversible=True, codecformat="jp2"))
    written = []
    for name, body in _boxes(content):
        if name == b"jp2h" and (profile := picture.info.get(ICC)):
            inner = (
                (n, _RESTRICTED_PROFILE + profile if n == b"colr" else b) for n, b in _boxes(body)
            )
            body = b"".join(_box(*part) for part in inner)
        if name == b"jp2c":
            for key, uuid in _UUIDS.items():
                if kept := picture.info.get(key):
                    written.append(_box(b"uuid", uuid + kept.removeprefix(b"Exif\0\0")))
        written.append(_box(name, body))
    return b"".join(written)


def _boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + 8 <= len(content):
        size, name = struct.unpack_from(">I4s", content, at)
        head = 8
        if size == 1 and at + 16 <= len(content):
            (size,) = struct.unpack_from(">Q", content, at + 8)
            head = 16
        end = at + size if size else len(content)
        if end < at + head:
            return
        yield name, content[at + head : end]
        at = end


def _box(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), name) + body
