"""Folders of training pictures, and what of them is kept back for validation."""

from __future__ import annotations

import csv
import math
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from restore.errors import ImageError, TrainingError, UsageError
from restore.media import folder
from restore.media import image as media
from restore.media.colour import rgb

CLEAN, PAIRS, DEPTH = "clean", "pairs", "depth"
NOUNS = {CLEAN: "pictures", PAIRS: "pairs", DEPTH: "pictures with depth"}
FARTHEST_ROOM = 10.0
"""Metres of median depth beyond which a scene is not a room, and haze of rooms means nothing."""

Item = tuple[np.ndarray, ...]


@dataclass(frozen=True)
class Source:
    """A folder of training pictures; patches are drawn from it in proportion to ``weight``.

    ``kind`` is one of

    * clean: pictures, degraded on the fly;
    * pairs: ``input/`` and ``target/`` with pictures of equal names, or a ``pairs.csv`` whose first
      two columns name a degraded picture and its target;
    * depth: a ``depth.csv`` whose columns ``image``, ``depth`` and ``depth_at_65535`` name clean
      pictures, their depth as linear 16-bit files, and the depth (metres) of the value 65535.
    """

    kind: str
    folder: Path
    weight: float = 1.0

    @property
    def name(self) -> str:
        """That of the folder, also where the path is a dot."""
        return self.folder.resolve().name

    @classmethod
    def parse(cls, kind: str, text: str) -> Source:
        """A source from ``FOLDER`` or ``FOLDER=WEIGHT``. Raises `UsageError`."""
        path, equals, number = text.rpartition("=")
        if not equals or Path(text).exists():
            return cls(kind, Path(text))
        try:
            weight = float(number)
        except ValueError:
            raise UsageError(f"{text}: the weight after = is no number") from None
        if not 0 < weight < math.inf:
            raise UsageError(f"{text}: a weight must be a number above 0")
        return cls(kind, Path(path), weight)


@dataclass(frozen=True)
class Pictures:
    """What a source holds, each item a tuple of arrays that show the same pixels:

    clean: (clean,); pairs: (input, target); depth: (clean, depth, metric). Pictures are H x W x 3
    uint8; depth is H x W float32, in metres where ``metric`` (a 0-d bool array) says so.
    """

    source: Source
    items: tuple[Item, ...]

    def digest(self) -> str:
        """What tells these pixels from others', in 8 hexadecimal digits (CRC-32)."""
        value = 0
        for item in self.items:
            for array in item:
                value = zlib.crc32(np.ascontiguousarray(array).data, value)
        return f"{value:08x}"

    def reduced(self, side: int) -> Pictures:
        """The same with shorter sides of at most ``side`` pixels, each the mean of those it
        covers; depths stay what they are. 0 leaves everything as it is."""
        if side == 0:
            return self
        return replace(
            self,
            items=tuple(tuple(_reduced(array, side) for array in item) for item in self.items),
        )

    def split(self, fraction: float) -> tuple[Pictures, Pictures]:
        """(to train on, held out): evenly spread over the names, in whole pictures.

        At least one is held out, unless the fraction is 0 or there is but one.
        """
        count = max(1, round(len(self.items) * fraction)) if fraction else 0
        count = min(count, len(self.items) - 1)
        held = {int((i + 0.5) * len(self.items) / count) for i in range(count)}
        kept, out = (
            tuple(item for i, item in enumerate(self.items) if (i in held) == held_out)
            for held_out in (False, True)
        )
        return replace(self, items=kept), replace(self, items=out)


def read(source: Source) -> Pictures:
    """Every picture of a source, in order of name. Raises `TrainingError` naming what is wrong."""
    try:
        items = tuple(_READERS[source.kind](source.folder))
    except ImageError as error:
        raise TrainingError(str(error)) from error
    return Pictures(source, items)


def _clean(path: Path) -> Iterator[Item]:
    for picture in folder.pictures(path):
        yield (_picture(picture),)


def _pairs(path: Path) -> Iterator[Item]:
    if (path / "pairs.csv").is_file():
        rows = _table(path / "pairs.csv", columns=2)
        named = [tuple(path / name for name in list(row.values())[:2]) for row in rows]
    else:
        named = list(folder.pairs(path / "input", path / "target"))
    for source, target in named:
        pair = _picture(source), _picture(target)
        if pair[0].shape != pair[1].shape:
            raise TrainingError(f"{source} and {target} differ in size")
        yield pair


def _depth(path: Path) -> Iterator[Item]:
    for row in _table(path / "depth.csv", columns=3):
        try:
            picture, file = path / row["image"], path / row["depth"]
            farthest = float(row["depth_at_65535"])
        except (KeyError, ValueError) as error:
            raise TrainingError(f"{path / 'depth.csv'}: cannot be used: {error}") from error
        clean, depth = _picture(picture), _sixteen_bits(file) * np.float32(farthest / 65535)
        if clean.shape[:2] != depth.shape:
            raise TrainingError(f"{picture} and {file} differ in size")
        room = "relative" not in row.get("source", "") and np.median(depth) < FARTHEST_ROOM
        yield clean, depth, np.array(room)


_READERS: Mapping[str, Callable[[Path], Iterator[Item]]] = {
    CLEAN: _clean,
    PAIRS: _pairs,
    DEPTH: _depth,
}


def _reduced(array: np.ndarray, side: int) -> np.ndarray:
    if array.ndim < 2 or min(array.shape[:2]) <= side:
        return array
    shorter = min(array.shape[:2])
    height, width = (round(length * side / shorter) for length in array.shape[:2])
    return np.asarray(Image.fromarray(array).resize((width, height), Image.Resampling.BOX))


def _picture(path: Path) -> np.ndarray:
    return rgb(media.read(path).in_8_bits().pixels)


def _sixteen_bits(path: Path) -> np.ndarray:
    """H x W float32 of an integer grey picture."""
    with _naming(path), Image.open(path) as file:
        depth = np.asarray(file)
    if depth.ndim != 2 or depth.dtype not in (np.uint16, np.int32):
        raise TrainingError(f"{path}: depth must be a grey picture of 16 bits")
    return depth.astype(np.float32)


def _table(path: Path, columns: int) -> list[dict[str, str]]:
    with _naming(path), open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if not rows or any(None in row.values() or None in row for row in rows):
        raise TrainingError(f"{path}: needs a header and rows of equal length")
    if len(rows[0]) < columns:
        raise TrainingError(f"{path}: needs at least {columns} columns")
    return rows


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    try:
        yield
    except UnidentifiedImageError:
        raise TrainingError(f"{path}: not a picture") from None
    except (OSError, ValueError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise TrainingError(f"{path}: cannot be read: {reason}") from error
