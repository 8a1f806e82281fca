"""Image files written row by row."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from restore.media import assembly
from restore.media.file_errors import unwritable
from restore.media.picture import Picture
from restore.rows import Sink


class FileSink(Sink):
    """A file that is complete once the last row has been assigned and `finish` called.

    Alpha, type and ``info`` are those of ``picture``; only its pixels are replaced. Raises
    `ImageError` naming ``path``, the file's final name, if rows cannot be written.
    """

    format_name: str

    def __init__(self, file: BinaryIO, picture: Picture, path: Path) -> None:
        self.file, self.picture, self.path = file, picture, path
        self.dtype = picture.pixels.dtype
        self.height, self.width = picture.pixels.shape[:2]
        colours = 1 if picture.pixels.ndim == 2 else 3
        self.channels = colours + (picture.alpha is not None)
        self._next = 0

    def __setitem__(self, rows: slice, pixels: np.ndarray) -> None:
        if rows.start not in (0, self._next):
            raise ValueError(f"row {rows.start} comes after row {self._next - 1}")
        alpha = None if self.picture.alpha is None else self.picture.alpha[rows]
        stacked = assembly.stacked(Picture(pixels, alpha, {}))
        with unwritable(self.path, self.format_name):
            if rows.start == 0:
                self.file.seek(0)
                self.file.truncate()
                self.begin()
            self.add(stacked.reshape(len(stacked), self.width, self.channels))
        self._next = rows.stop

    def finish(self) -> None:
        if self._next != self.height:
            raise ValueError(f"{self._next} rows of {self.height} were written")
        with unwritable(self.path, self.format_name):
            self.end()

    @abstractmethod
    def begin(self) -> None:
        """Write the part of the file before the first row. The file is empty."""

    @abstractmethod
    def add(self, rows: np.ndarray) -> None:
        """Write the next rows x W x channels."""

    @abstractmethod
    def end(self) -> None:
        """Write the part of the file after the last row."""


@contextmanager
def writing(
    kind: type[FileSink], path: Path, picture: Picture, target: Path | None = None
) -> Iterator[FileSink]:
    """Open a sink into the file at ``path`` and finish it if the block succeeds.

    ``target`` is the file's final name, used in errors. Exceptions raised inside the block pass
    unchanged.
    """
    target = target or path
    with unwritable(target):
        file = open(path, "w+b")  # noqa: SIM115 - closing may fail, too
    try:
        sink = kind(file, picture, target)
        yield sink
        sink.finish()
    finally:
        with unwritable(target):
            file.close()
