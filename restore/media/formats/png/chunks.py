"""Chunks of a PNG file: header, checksums and filtered lines of pixels."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from io import BytesIO
from typing import BinaryIO, NamedTuple

from restore.errors import ImageError

SIGNATURE = b"\x89PNG\r\n\x1a\n"
LENGTH_OF_HEADER = 25
"""Bytes of IHDR: length, name, 13 bytes and checksum."""
_IHDR = struct.Struct(">IIBBBBB")
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""By colour type."""
BLOCK = 1 << 20
"""Bytes of lines inflated at a time, approximately."""
_PIECE = 1 << 16
_FAST = 1


class Header(NamedTuple):
    """The fields of IHDR (PNG specification, third edition, 11.2.1)."""

    width: int
    height: int
    depth: int
    colour: int
    compression: int = 0
    filtering: int = 0
    interlaced: int = 0

    @property
    def line(self) -> int:
        """Bytes of a row of pixels with its filter type, if not interlaced."""
        return 1 + -(-self.width * self.depth * _CHANNELS[self.colour] // 8)

    @property
    def start(self) -> bytes:
        """Signature and header."""
        return SIGNATURE + chunk(b"IHDR", _IHDR.pack(*self))

    def file(self, *parts: bytes) -> bytes:
        """Return a PNG of these chunks between header and end."""
        return b"".join((self.start, *parts, chunk(b"IEND", b"")))


def header(stream: BinaryIO) -> Header | None:
    """Read the header; None if it is damaged, since no other chunk describes the pixels, or of an
    undefined kind."""
    stream.seek(0)
    start = stream.read(len(SIGNATURE) + LENGTH_OF_HEADER)
    if len(start) < len(SIGNATURE) + LENGTH_OF_HEADER:
        return None
    found = Header(*_IHDR.unpack(start[16:-4]))
    known = found.colour in _CHANNELS and not found.compression and not found.filtering
    return found if known and found.start == start else None


def chunks(stream: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Yield name and length of each chunk between the header and IEND, with the stream at its
    content.

    Data after IEND is ignored. For a chunk that is cut short, the length is that of the data left.
    """
    place, end = len(SIGNATURE) + LENGTH_OF_HEADER, stream.seek(0, 2)
    while True:
        stream.seek(place)
        head = stream.read(8)
        if len(head) < 8 or head[4:] == b"IEND":
            return
        length, name = struct.unpack(">I4s", head)
        yield name, min(length, end - place - 8)
        place += length + 12


def inflated(stream: BinaryIO, size: int, count: int) -> Iterator[bytes]:
    """Yield ``count`` filtered lines of ``size`` bytes in blocks; fewer if the file ends early.

    Checksums of chunks are ignored: the pixels have a checksum of their own. Raises `zlib.error` if
    that is wrong or the data is damaged.
    """
    step = max(1, BLOCK // size)
    inflate = zlib.decompressobj()
    lines = bytearray()
    for packed in _packed(stream):
        while packed and count:
            wanted = min(step, count) * size
            lines += inflate.decompress(packed, wanted - len(lines))
            packed = inflate.unconsumed_tail
            if len(lines) == wanted:
                yield bytes(lines)
                count -= wanted // size
                lines.clear()
        if not count:
            return


def _packed(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the content of the chunks of pixels."""
    for name, length in chunks(stream):
        while name == b"IDAT" and length and (piece := stream.read(min(length, _PIECE))):
            length -= len(piece)
            yield piece


def mended(stream: BinaryIO, most: int) -> BinaryIO | None:
    """Rewrite a PNG with correct checksums and its pixels in one chunk.

    Libraries refuse some damaged files whose pixels are intact. Returns None if the header is
    damaged, or if the pixels are interlaced or more than ``most``. Raises `zlib.error` or
    `ImageError` if the pixels are damaged.
    """
    head = header(stream)
    if head is None or head.interlaced or head.width * head.height > most:
        return None
    lines = b"".join(inflated(stream, head.line, head.height))
    if len(lines) < head.line * head.height:
        raise ImageError("ends early")
    return BytesIO(repixelled(stream, head, lines))


def repixelled(stream: BinaryIO, head: Header, lines: bytes) -> bytes:
    """Replace the header and the filtered lines of a PNG. Keeps all other chunks and corrects all
    checksums."""
    pixels = chunk(b"IDAT", zlib.compress(lines, _FAST))
    parts: list[bytes] = []
    for name, length in chunks(stream):
        if name != b"IDAT":
            parts.append(chunk(name, stream.read(length)))
        elif pixels not in parts:
            parts.append(pixels)
    return head.file(*parts)


def chunk(name: bytes, content: bytes) -> bytes:
    """Build a chunk with length and checksum."""
    body = name + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))
