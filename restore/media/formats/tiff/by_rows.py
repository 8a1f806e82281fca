"""TIFF by rows: tifffile decodes the strips or tiles that are requested."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from math import ceil, prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from restore.media.file_rows import FileRows, pictured, probe
from restore.media.file_sink import FileSink
from restore.media.formats.tiff.decoding import (
    LARGEST_TILE,
    decode_by_tifffile,
    is_of_tifffile,
    pillow_can,
)
from restore.media.formats.tiff.tags import byte_order, put_exif, write_options
from restore.media.picture import Picture

_JPEG = (6, 7, 34892, 33007)
"""Compressions whose tables are stored apart from the pixels."""
_TOGETHER = 64
"""Rows read at a time if a file is not divided, or not compressed."""
_NOWHERE = (0, 0)
_COPIES = 3
"""Copies of a strip or tile that exist at once while it is decoded."""
_STRIP = 1 << 18
"""Bytes of a strip before compression, approximately."""
_LARGEST_CLASSIC = (1 << 32) - (1 << 25)
"""Bytes of pixels above which offsets may not fit into 32 bits."""


def by_rows(path: Path, stream: BinaryIO, least: int, most: int) -> Picture | None:
    """Open a TIFF of 8 or 16 bits as rows if its strips or tiles are small enough and its pixels
    need no conversion."""
    if not is_of_tifffile(stream) or pillow_can(stream):
        return None
    rows = _rows_of(path, stream, least, most)
    if rows is None:
        return None
    channels = rows.shape[2]
    return pictured(decode_by_tifffile(stream, lambda page: probe(channels, rows.dtype)), rows)


def _rows_of(path: Path, stream: BinaryIO, least: int, most: int) -> FileRows | None:
    """Open the stored pixels of a TIFF; None if it has not ``least`` to ``most`` pixels of 8 or 16
    bits in strips or tiles that are small enough."""
    from tifffile import PLANARCONFIG, TiffFile

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
        if page.is_final:
            start, order = page.dataoffsets[0], page.parent.byteorder
            return _UncutRows(path, stream, shape, dtype, start, order)
        if _high(page) * prod(shape[1:]) <= LARGEST_TILE:
            return _CutRows(path, stream, shape, dtype, page)
        return None


def _high(page: Any) -> int:
    """Return the rows of a strip or tile."""
    return int(page.tilelength if page.is_tiled else page.rowsperstrip)


class _UncutRows(FileRows):
    """Uncompressed pixels, row after row from offset ``start`` on."""

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


class _CutRows(FileRows):
    """Strips or tiles, each compressed separately."""

    def __init__(
        self, path: Path, stream: BinaryIO, shape: tuple[int, int, int], dtype: np.dtype, page: Any
    ) -> None:
        super().__init__(path, stream, shape, dtype)
        self._decode, self._blank = page.decode, page.nodata
        self._high = _high(page)
        self._across = ceil(shape[1] / page.tilewidth) if page.is_tiled else 1
        # Strips and tiles without an offset are blank.
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
        """Decode a strip, or a row of tiles."""
        height, width, channels = self.shape
        count = min(self._high, height - top)
        block = np.full((count, width, channels), self._blank, self.dtype)
        begin = top // self._high * self._across
        for index in range(begin, begin + self._across):
            place, length = self._places[index]
            if not (place and length):  # blank ones are not stored
                continue
            stream.seek(place)
            piece, (*_, left, _), _ = self._decode(stream.read(length), index)
            part = piece[0, :count, : width - left]
            block[: len(part), left : left + part.shape[1]] = part
        return block


class TiffSink(FileSink):
    """A TIFF written in strips. tifffile writes the directory before them; their offsets are filled
    in at the end."""

    format_name = "TIFF"

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
            **write_options(info, shape, self.dtype),
        )
        self._stored = self.dtype.newbyteorder(byte_order(info))
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
        put_exif(self.file, self.picture.info)

    def _write(self, strips: list[np.ndarray]) -> None:
        with ThreadPoolExecutor() as pool:
            for packed in pool.map(self._packed, strips):
                self._places.append((self.file.tell(), len(packed)))
                self.file.write(packed)

    def _packed(self, strip: np.ndarray) -> bytes:
        """Compress with the horizontal predictor (TIFF 6.0, section 14)."""
        import imagecodecs

        change = strip.copy()
        change[:, 1:] -= strip[:, :-1]
        return bytes(imagecodecs.deflate_encode(change.astype(self._stored)))
