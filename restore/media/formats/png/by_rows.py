"""PNG by rows.

None of the libraries used reads or writes part of a PNG. libpng removes the filters of rows handed
to it as a small PNG that starts with the row above them; zlib does the rest.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np

from restore.media.file_rows import FileRows, pictured, probe
from restore.media.file_sink import FileSink
from restore.media.formats.png.chunks import (
    BLOCK,
    Header,
    chunk,
    chunks,
    header,
    inflated,
    repixelled,
)
from restore.media.formats.png.decoding import decode
from restore.media.formats.png.descriptive_chunks import described
from restore.media.picture import Picture

CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}
"""By colour type, without palettes."""
_COLOURS = {channels: colour for colour, channels in CHANNELS.items()}
_NOT_BY_ROWS = (b"tRNS", b"acTL")
"""Chunks with a transparent colour, and with an animation."""
_COPIES = 10
"""Copies of a block of lines that exist at once while it is decoded."""
_LEVEL = 6
_PACKED = 1 << 18
"""Bytes compressed at a time."""
_ZLIB, _LAST_BLOCK = b"\x78\x9c", b"\x03\x00"
"""The header of a zlib stream (RFC 1950), and an empty final block."""


def by_rows(path: Path, stream: BinaryIO, least: int, most: int) -> Picture | None:
    """Open a PNG of 8 or 16 bits as rows, unless it is interlaced or has a palette, a transparent
    colour or an animation."""
    head = header(stream)
    if head is None or head.interlaced or not least <= head.width * head.height <= most:
        return None
    if head.depth not in (8, 16) or head.colour not in CHANNELS:
        return None
    if any(name in _NOT_BY_ROWS for name, _ in chunks(stream)):
        return None
    channels, dtype = CHANNELS[head.colour], np.dtype(f"u{head.depth // 8}")
    lines = probe(channels, dtype).astype(dtype.newbyteorder(">")).reshape(2, -1).view(np.uint8)
    unfiltered = np.pad(lines, ((0, 0), (1, 0))).tobytes()
    small = repixelled(stream, head._replace(width=2, height=2), unfiltered)
    return pictured(decode(BytesIO(small), most), PngRows(path, stream, head))


class PngRows(FileRows):
    """Rows of a PNG, which can be decoded from its beginning only."""

    def __init__(self, path: Path, stream: BinaryIO, head: Header) -> None:
        shape = head.height, head.width, CHANNELS[head.colour]
        super().__init__(path, stream, shape, np.dtype(f"u{head.depth // 8}"))
        self._head = head
        self.working = _COPIES * max(BLOCK, head.line)

    def _beginning(self, row: int) -> int:
        return 0

    def _blocks(self, stream: BinaryIO, top: int) -> Iterator[np.ndarray]:
        size = self._head.line
        above = bytes(size - 1)
        for lines in inflated(stream, size, self._head.height):
            pixels = chunk(b"IDAT", zlib.compress(b"\0" + above + lines, 0))
            small = self._head._replace(height=1 + len(lines) // size).file(pixels)
            rows = _decoded(small)[1:].reshape(-1, *self.shape[1:])
            above = rows[-1].astype(self.dtype.newbyteorder(">")).tobytes()
            yield rows


def _decoded(content: bytes) -> np.ndarray:
    import imagecodecs

    return imagecodecs.png_decode(content)


class PngSink(FileSink):
    """A PNG written by rows, compressed by several threads."""

    format_name = "PNG"

    def begin(self) -> None:
        colour, depth = _COLOURS[self.channels], 8 * self.dtype.itemsize
        self.file.write(Header(self.width, self.height, depth, colour).start)
        for part in described(self.picture.info):
            self.file.write(chunk(*part))
        self._write(_ZLIB)
        self._checksum, self._before = zlib.adler32(b""), b""
        self._above = np.zeros(self.width * self.channels * self.dtype.itemsize, np.uint8)

    def add(self, rows: np.ndarray) -> None:
        lines = rows.astype(self.dtype.newbyteorder(">")).reshape(len(rows), -1).view(np.uint8)
        tops = range(0, len(lines), max(1, _PACKED // lines.shape[1]))

        def filtered(top: int) -> bytes:
            above = lines[top - 1] if top else self._above
            return _filtered(lines[top : top + tops.step], above, len(lines[0]) // self.width)

        with ThreadPoolExecutor() as pool:
            blocks = list(pool.map(filtered, tops))
            for packed in pool.map(_deflated, blocks, (self._before, *blocks[:-1])):
                self._write(packed)
        for block in blocks:
            self._checksum = zlib.adler32(block, self._checksum)
        self._before, self._above = blocks[-1], lines[-1]

    def end(self) -> None:
        self._write(_LAST_BLOCK + struct.pack(">I", self._checksum))
        self.file.write(chunk(b"IEND", b""))

    def _write(self, packed: bytes) -> None:
        self.file.write(chunk(b"IDAT", packed))


def _deflated(block: bytes, before: bytes) -> bytes:
    """Compress a block of a zlib stream that follows ``before``, ending on a byte boundary, so that
    several threads can compress one stream."""
    window = before[-(1 << zlib.MAX_WBITS) :]
    deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS, 8, zlib.Z_FILTERED, window)
    return deflate.compress(block) + deflate.flush(zlib.Z_SYNC_FLUSH)


def _filtered(lines: np.ndarray, above: np.ndarray, step: int) -> bytes:
    """Filter lines, each by the filter with the least sum of absolute values (PNG specification,
    third edition, 9.2 and 12.7).

    Args:
        lines: N x bytes, uint8.
        above: the line above the first.
        step: bytes per pixel.
    """
    up = np.concatenate((above[None], lines[:-1]))
    left, corner = (np.pad(a, ((0, 0), (step, 0)))[:, :-step] for a in (lines, up))
    mean = ((left.astype(np.uint16) + up) >> 1).astype(np.uint8)
    guesses = (np.uint8(0), left, up, mean, _paeth(left, up, corner))
    tried = np.stack([lines - guess for guess in guesses])
    left_over = np.minimum(tried, 0 - tried).sum(axis=2, dtype=np.uint32)  # -1 is stored as 255
    best = left_over.argmin(axis=0)
    chosen = tried[best, np.arange(len(lines))]
    return np.concatenate((best[:, None].astype(np.uint8), chosen), axis=1).tobytes()


def _paeth(left: np.ndarray, up: np.ndarray, corner: np.ndarray) -> np.ndarray:
    """Predict each byte by the neighbour nearest to left + up - corner."""
    a, b, c = (values.astype(np.int16) for values in (left, up, corner))
    far_left, far_up, far_corner = np.abs(b - c), np.abs(a - c), np.abs(a + b - 2 * c)
    second = np.where(far_up <= far_corner, up, corner)
    return np.where((far_left <= far_up) & (far_left <= far_corner), left, second)
