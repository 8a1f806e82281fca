"""Folders of training images, and their held-out part for validation."""

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

CLEAN, PAIRS, DEPTH, REHEARSE, DISTILL = "clean", "pairs", "depth", "rehearse", "distill"
NOUNS = {
    CLEAN: "pictures",
    PAIRS: "pairs",
    DEPTH: "pictures with depth",
    REHEARSE: "pictures to rehearse",
    DISTILL: "pairs to distill from",
}
MADE = (REHEARSE, DISTILL)
"""Kinds whose targets are made by a model (`restore.train.targets`)."""
FARTHEST_ROOM = 10.0
"""Median depth in metres beyond which a scene is not a room, and gets no haze of rooms."""

Item = tuple[np.ndarray, ...]


@dataclass(frozen=True)
class Source:
    """A folder of training pictures; patches are drawn from it in proportion to ``weight``.

    ``kind`` is one of

    * clean: pictures, degraded on the fly;
    * pairs: ``input/`` and ``target/`` with pictures of equal names, or a ``pairs.csv`` whose first
      two columns name a degraded picture and its target;
    * depth: a ``depth.csv`` whose columns ``image``, ``depth`` and ``depth_at_65535`` name clean
      pictures, their depth as linear 16-bit files, and the depth (metres) of the value 65535;
    * rehearse: pictures as a model is given them, whose targets are made by that model;
    * distill: clean pictures, degraded before the run, whose targets are made by a model.
    """

    kind: str
    folder: Path
    weight: float = 1.0

    @property
    def name(self) -> str:
        """Name of the folder, also where the path is a dot."""
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
    """The pictures of a source, each item a tuple of arrays of one height and width.

    clean: (clean,); depth: (clean, depth, metric); other kinds: (input, target). Pictures are
    H x W x 3 uint8; depth is H x W float32, in metres where ``metric`` (a 0-d bool array) says so.
    """

    source: Source
    items: tuple[Item, ...]
    draws: int = 1
    """Consecutive items that show the same picture."""

    def digest(self) -> str:
        """Return the CRC-32 of all pixels in 8 hexadecimal digits."""
        value = 0
        for item in self.items:
            for array in item:
                value = zlib.crc32(np.ascontiguousarray(array).data, value)
        return f"{value:08x}"

    def reduced(self, side: int) -> Pictures:
        """Reduce pictures to a shorter side of at most ``side`` pixels, by area averaging.

        Pairs are reduced on both sides; values of depth stay. 0 changes nothing.
        """
        if side == 0:
            return self
        return replace(
            self,
            items=tuple(tuple(_reduced(array, side) for array in item) for item in self.items),
        )

    def split(self, fraction: float) -> tuple[Pictures, Pictures]:
        """Return (pictures to train on, pictures held out).

        Those held out are evenly spread over the names; every version of one is held out with it,
        and at least one is, unless ``fraction`` is 0 or there is only one.
        """
        different = len(self.items) // self.draws
        count = max(1, round(different * fraction)) if fraction else 0
        count = min(count, different - 1)
        held = {int((i + 0.5) * different / count) for i in range(count)}
        kept, out = (
            tuple(
                item for i, item in enumerate(self.items) if (i // self.draws in held) == held_out
            )
            for held_out in (False, True)
        )
        return replace(self, items=kept), replace(self, items=out)


def read(source: Source, made: Path | None = None, draws: int = 1) -> Pictures:
    """Read every picture of a source, in order of name.

    ``made`` is the folder of pairs of a source of a `MADE` kind, with ``draws`` of each picture.
    Raises `TrainingError` naming the file.
    """
    try:
        items = tuple(_READERS[source.kind](made or source.folder))
    except ImageError as error:
        raise TrainingError(str(error)) from error
    return Pictures(source, items, draws)


def _clean(path: Path) -> Iterator[Item]:
    for picture in folder.pictures(path):
        yield (read_picture(picture),)


def _pairs(path: Path) -> Iterator[Item]:
    if (path / "pairs.csv").is_file():
        rows = _table(path / "pairs.csv", columns=2)
        named = [tuple(path / name for name in list(row.values())[:2]) for row in rows]
    else:
        named = list(folder.pairs(path / "input", path / "target"))
    for source, target in named:
        pair = read_picture(source), read_picture(target)
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
        clean, depth = read_picture(picture), _sixteen_bits(file) * np.float32(farthest / 65535)
        if clean.shape[:2] != depth.shape:
            raise TrainingError(f"{picture} and {file} differ in size")
        room = "relative" not in row.get("source", "") and np.median(depth) < FARTHEST_ROOM
        yield clean, depth, np.array(room)


_READERS: Mapping[str, Callable[[Path], Iterator[Item]]] = {
    CLEAN: _clean,
    PAIRS: _pairs,
    DEPTH: _depth,
    REHEARSE: _pairs,
    DISTILL: _pairs,
}


def _reduced(array: np.ndarray, side: int) -> np.ndarray:
    if array.ndim < 2 or min(array.shape[:2]) <= side:
        return array
    shorter = min(array.shape[:2])
    height, width = (round(length * side / shorter) for length in array.shape[:2])
    return np.asarray(Image.fromarray(array).resize((width, height), Image.Resampling.BOX))


def read_picture(path: Path) -> np.ndarray:
    """Read a file as H x W x 3 uint8. Raises `ImageError`."""
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
