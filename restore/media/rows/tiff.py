"""TIFF by rows: those of its strips or tiles that are wanted are decoded, by tifffile."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from math import ceil, prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from restore.media.codecs import tiff
from restore.media.codecs.tiff import MAGIC as MAGIC
from restore.media.formats import TIFF
from restore.media.picture import Picture
from restore.media.rows.sink import Sink
from restore.media.rows.source import FileRows, pictured, probe

_JPEG = (6, 7, 34892, 33007)
"""Compressions whose tables lie elsewhere than the pixels."""
_TOGETHER = 64
"""Rows that are read at a time where a file is not cut into pieces, or not compressed."""
_NOWHERE = (0, 0)
_COPIES = 3
"""Of a strip or tile, on its way from the file to pixels."""
_STRIP = 1 << 18
"""Bytes of a strip, about, before it is compressed."""
_LARGEST_CLASSIC = (1 << 32) - (1 << 25)
"""Bytes of pixels from which on places may not fit into 32 bits."""


def by_rows(path: Path, stream: BinaryIO, least: int, most: int) -> Picture | None:
    """A TIFF of ``least`` to ``most`` pixels, of 8 or 16 bits, in strips or tiles that are small
    enough, and grey or RGB as it is."""
    from tifffile import PLANARCONFIG, TiffFile

    if tiff.pillow_can(stream):
        return None
    stream.seek(0)
    with TiffFile(stream) as file:
        page: Any = file.pages.first
        shape = page.imagelength, page.imagewidth, page.samplesperpixel
        plain = (page.dtype, page.bitspersample) in ((np.uint8, 8), (np.uint16, 16))
        together = shape[2] == 1 or page.planarconfig == PLANARCONFIG.CONTIG
        if not plain or not together or page.imagedepth != 1 or page.compression in _JPEG:
            return None
        if not page.dataoffsets:
            return None
        if not least <= shape[0] * shape[1] <= most or shape[2] > 4:
            return None
        dtype = np.dtype(page.dtype.type)
        rows: FileRows
        if page.is_final:
            rows = _Uncut(path, stream, shape, dtype, page.dataoffsets[0], page.parent.byteorder)
        elif _high(page) * prod(shape[1:]) <= tiff.LARGEST_TILE:
            rows = _Pieces(path, stream, shape, dtype, page)
        else:
            return None
    carried = tiff.decode(stream, lambda page: probe(shape[2], dtype))
    return pictured(carried.with_info(format=TIFF.name), rows)


def _high(page: Any) -> int:
    """Rows of a strip or tile."""
    return int(page.tilelength if page.is_tiled else page.rowsperstrip)


class _Uncut(FileRows):
    """Pixels as they are, one row behind the other from ``start`` on."""

    def __init__(
        self,
        path: Path,
        stream: BinaryIO,
        shape: tuple[int, int, int],
        dtype: np.dtype,
        start: int,
        byte_order: Any,
    ) -> None:
        super().__init__(path, stream, shape, dtype)
        self._start, self._stored = start, dtype.newbyteorder(byte_order)
        self.working = 3 * _TOGETHER * prod(shape[1:]) * dtype.itemsize

    def _beginning(self, row: int) -> int:
        return row

    def _blocks(self, stream: BinaryIO, top: int) -> Iterator[np.ndarray]:
        height, *row = self.shape
        size = prod(row) * self.dtype.itemsize
        stream.seek(self._start + top * size)
        for first in range(top, height, _TOGETHER):
            count = min(_TOGETHER, height - first)
            content = stream.read(count * size)
            if len(content) < count * size:
                return
            yield np.frombuffer(content, self._stored).reshape(count, *row).astype(self.dtype)


class _Pieces(FileRows):
    """Strips or tiles, each compressed for itself."""

    def __init__(
        self, path: Path, stream: BinaryIO, shape: tuple[int, int, int], dtype: np.dtype, page: Any
    ) -> None:
        super().__init__(path, stream, shape, dtype)
        self._decode, self._blank = page.decode, page.nodata
        self._high = _high(page)
        self._across = ceil(shape[1] / page.tilewidth) if page.is_tiled else 1
        # Those that the file does not name are blank.
        stated = tuple(zip(page.dataoffsets, page.databytecounts, strict=False))
        self._places = stated + (_NOWHERE,) * (self._across * ceil(shape[0] / self._high))
        row = prod(shape[1:]) * dtype.itemsize
        piece = self._high * row // self._across
        self.working = self._high * row + _COPIES * piece

    def _beginning(self, row: int) -> int:
        return row // self._high * self._high

    def _blocks(self, stream: BinaryIO, top: int) -> Iterator[np.ndarray]:
        for first in range(top, len(self), self._high):
            yield self._block(stream, first)

    def _block(self, stream: BinaryIO, top: int) -> np.ndarray:
        """A strip, or a row of tiles."""
        height, width, channels = self.shape
        count = min(self._high, height - top)
        block = np.full((count, width, channels), self._blank, self.dtype)
        begin = top // self._high * self._across
        for index in range(begin, begin + self._across):
            place, length = self._places[index]
            if not (place and length):  # blank ones need not be stored
                continue
            stream.seek(place)
            piece, (*_, left, _), _ = self._decode(stream.read(length), index)
            part = piece[0, :count, : width - left]
            block[: len(part), left : left + part.shape[1]] = part
        return block


class TiffSink(Sink):
    """A TIFF in strips, the directory of which tifffile writes in front of them, and where they are
    at the end."""

    format = TIFF

    def begin(self) -> None:
        import tifffile

        self._high = max(1, _STRIP // (self.width * self.channels * self.dtype.itemsize))
        colours = (self.channels,) if self.channels > 1 else ()
        shape, info = (self.height, self.width, *colours), self.picture.info
        tifffile.imwrite(
            self.file,
            iter([b""] * ceil(self.height / self._high)),
            shape=shape,
            dtype=self.dtype,
            rowsperstrip=self._high,
            bigtiff=prod(shape) * self.dtype.itemsize > _LARGEST_CLASSIC,
            **tiff.options(info, shape, self.dtype),
        )
        self._stored = self.dtype.newbyteorder(tiff.byte_order(info))
        self._waiting = np.empty((0, self.width, self.channels), self.dtype)
        self._places: list[tuple[int, int]] = []
        self.file.seek(0, 2)

    def add(self, rows: np.ndarray) -> None:
        rows = np.concatenate((self._waiting, rows))
        whole = len(rows) // self._high * self._high
        self._write([rows[top : top + self._high] for top in range(0, whole, self._high)])
        self._waiting = rows[whole:]

    def end(self) -> None:
        from tifffile import TiffFile

        if len(self._waiting):
            self._write([self._waiting])
        places, lengths = zip(*self._places, strict=True)
        self.file.seek(0)
        with TiffFile(self.file, mode="r+") as file:
            tags = file.pages.first.tags
            tags["StripOffsets"].overwrite(places)
            tags["StripByteCounts"].overwrite(lengths)
        tiff.put_exif(self.file, self.picture.info)

    def _write(self, strips: list[np.ndarray]) -> None:
        with ThreadPoolExecutor() as pool:
            for packed in pool.map(self._packed, strips):
                self._places.append((self.file.tell(), len(packed)))
                self.file.write(packed)

    def _packed(self, strip: np.ndarray) -> bytes:
        """With the horizontal predictor (TIFF 6.0, section 14)."""
        import imagecodecs

        change = strip.copy()
        change[:, 1:] -= strip[:, :-1]
        return bytes(imagecodecs.deflate_encode(change.astype(self._stored)))
