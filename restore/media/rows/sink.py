"""Where restored rows go: a file that is complete with the last one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from restore.media.codecs import assemble
from restore.media.formats import Format
from restore.media.opening import unwritable
from restore.media.picture import Picture


class Sink(ABC):
    """Takes the pixels of a picture (see `Picture.pixels`) by ``sink[rows] = pixels``, from top to
    bottom; its alpha, type and ``info`` are those of ``picture``. From row 0 on, all over again.

    Raises `ImageError` where they cannot be written, as a line about the file that is to be at
    ``path``.
    """

    format: Format

    nbytes = 0
    """What of the picture it holds."""

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
        stacked = assemble.stacked(Picture(pixels, alpha, {}))
        with unwritable(self.path, self.format):
            if rows.start == 0:
                self.file.seek(0)
                self.file.truncate()
                self.begin()
            self.add(stacked.reshape(len(stacked), self.width, self.channels))
        self._next = rows.stop

    def finish(self) -> None:
        if self._next != self.height:
            raise ValueError(f"{self._next} rows of {self.height} were written")
        with unwritable(self.path, self.format):
            self.end()

    @abstractmethod
    def begin(self) -> None:
        """The file, which is empty, up to the first row."""

    @abstractmethod
    def add(self, rows: np.ndarray) -> None:
        """Rows x W x channels, below those before."""

    @abstractmethod
    def end(self) -> None:
        """What stands behind the last row."""


@contextmanager
def writing(
    kind: type[Sink], path: Path, picture: Picture, target: Path | None = None
) -> Iterator[Sink]:
    """A sink into the file at ``path``, finished where the block ends well; ``target`` is where it
    goes after that. What is raised inside stays as it is."""
    target = target or path
    with unwritable(target):
        file = open(path, "w+b")  # noqa: SIM115 - closing it may fail, too
    try:
        sink = kind(file, picture, target)
        yield sink
        sink.finish()
    finally:
        with unwritable(target):
            file.close()
