"""The container of JPEG XL (ISO/IEC 18181-2): a code stream with EXIF, XMP and other boxes."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from restore.errors import ImageError
from restore.media.formats.isobmff import box, contents
from restore.media.formats.jpegxl.code_stream_header import SIGNATURE

MAGIC = b"\0\0\0\x0cJXL \r\n\x87\n"
_BRAND = box(b"ftyp", b"jxl ", bytes(4), b"jxl ")
_LEVEL, _WHOLE, _PART, _EXIF, _XMP, _GAIN_MAP = b"jxll", b"jxlc", b"jxlp", b"Exif", b"xml ", b"jhgm"
_COMPRESSED = b"brob"
_LOST = {b"jumb": "its JUMBF (content credentials) is not kept"}
"""Notes on boxes that are not written."""


@dataclass(frozen=True)
class Container:
    """``level``: the decoder level that the stream requires; empty for the lowest. ``exif``: the
    block without its offset. ``gain_map``: of HDR, with its metadata. ``notes``: on lost boxes."""

    code_stream: bytes
    level: bytes = b""
    exif: bytes = b""
    xmp: bytes = b""
    gain_map: bytes = b""
    notes: tuple[str, ...] = ()

    def written(self) -> bytes:
        """Return a file: the bare code stream where there is nothing else."""
        boxes = b"".join(self._boxes())
        return MAGIC + _BRAND + boxes + box(_WHOLE, self.code_stream) if boxes else self.code_stream

    def _boxes(self) -> Iterator[bytes]:
        if self.level:
            yield box(_LEVEL, self.level)
        if self.exif:
            yield box(_EXIF, bytes(4), self.exif)
        if self.xmp:
            yield box(_XMP, self.xmp)
        if self.gain_map:
            yield box(_GAIN_MAP, self.gain_map)


def read_container(content: bytes) -> Container:
    """Read a file, bare code streams included. Raises `ImageError` if it holds none."""
    if content.startswith(SIGNATURE):
        return Container(content)
    stream, parts, notes = b"", [], []
    found: dict[bytes, bytes] = {}
    for kind, body in contents(content):
        name, body = _unpacked(kind, body)
        if name == _WHOLE:
            stream = body
        elif name == _PART:
            parts.append(body[4:])
        elif name in _LOST:
            notes.append(_LOST[name])
        else:
            found.setdefault(name, body)
    stream = stream or b"".join(parts)
    if not stream:
        raise ImageError("holds no pixels, or its header is not valid")
    names = (_LEVEL, _XMP, _GAIN_MAP)
    level, xmp, gain_map = (found.get(name, b"") for name in names)
    return Container(
        stream, level, _block(found.get(_EXIF, b"")), xmp, gain_map, tuple(dict.fromkeys(notes))
    )


def _unpacked(name: bytes, body: bytes) -> tuple[bytes, bytes]:
    """Decompress a box. A damaged one is empty."""
    if name != _COMPRESSED:
        return name, body
    import imagecodecs

    try:
        return body[:4], bytes(imagecodecs.brotli_decode(body[4:]))
    except (RuntimeError, ValueError):
        return body[:4], b""


def _block(body: bytes) -> bytes:
    """Return EXIF behind the offset at which it begins."""
    if len(body) < 4:
        return b""
    return body[4 + struct.unpack_from(">I", body)[0] :]
