"""Large pictures: read and written by rows where both ends can, as the whole ones are otherwise."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from restore.errors import ImageError
from restore.media import formats, image
from restore.media.formats import DEPTHS, FORMATS
from restore.media.opening import begins, opened
from restore.media.picture import Picture
from restore.media.rows import png, tiff
from restore.media.rows.sink import Sink, writing
from restore.media.rows.source import Rows

ABOVE = 24_000_000
"""Pixels from which on a picture is large."""
_DEPTHS = (DEPTHS["8"], DEPTHS["16"])
_SINKS: dict[formats.Format, type[Sink]] = {
    kind.format: kind for kind in (png.PngSink, tiff.TiffSink)
}


def read(
    path: str | Path,
    stream: BinaryIO | None = None,
    max_pixels: int | None = None,
    above: int = ABOVE,
) -> Picture | None:
    """`image.read` of a picture of more than ``above`` pixels whose rows can be read when they are
    needed: its ``pixels`` and ``alpha`` are `Rows`, which raise `ImageError` where they turn out to
    be damaged. None for any other, and where what is said of the pixels is damaged."""
    path = Path(path)
    if path.suffix.lower() in formats.RAW.suffixes:
        return None
    with suppress(ImageError), opened(path, stream) as file:
        file.fileno()  # what is in memory already need not be read by rows
        for kind in (png, tiff):
            if begins(file, kind.MAGIC):
                return kind.by_rows(path, file, above + 1, max_pixels or image.MAX_PIXELS)
    return None


def goes_by_rows(picture: Picture, target: Path, above: int = ABOVE) -> bool:
    """Whether `restore` can write what becomes of a picture of more than ``above`` pixels: in the
    picture's own depth, and with nothing to be converted or filled in."""
    format_ = FORMATS.get(target.suffix.lower())
    if format_ not in _SINKS or prod(picture.pixels.shape[:2]) <= above:
        return False
    dtype = picture.pixels.dtype
    if dtype not in _DEPTHS or image.depth_written(picture, format_) != dtype:
        return False
    return not picture.is_linear and not _hides(picture)


def _hides(picture: Picture) -> bool:
    """Whether colours lie under full transparency, which are filled in from all around."""
    alpha: Any = picture.alpha
    if isinstance(alpha, Rows):
        return alpha.holds_zero
    return alpha is not None and bool((alpha == 0).any())


def through(
    picture: Picture,
    path: Path,
    better: Callable[[np.ndarray], np.ndarray],
    by_rows: Callable[..., object] | None,
    *,
    above: int = ABOVE,
    mark: str = "",
    ready: Callable[[Path], object] = lambda temporary: None,
) -> Picture | None:
    """`Picture.through`, as ``better`` makes it, which is still to be written; or None, where the
    picture `goes_by_rows` and `restore` has written it, as ``by_rows`` makes it."""
    if by_rows is None or not goes_by_rows(picture, path, above):
        return picture.through(better)
    restore(picture, path, by_rows, mark, ready)
    return None


def restore(
    picture: Picture,
    path: Path,
    better: Callable[..., object],
    mark: str = "",
    ready: Callable[[Path], object] = lambda temporary: None,
) -> None:
    """Write what ``better(pixels, into=sink)`` makes of a picture that `goes_by_rows`, each row as
    soon as it is there; ``mark``, ``ready`` and what is raised are those of `image.write`, and what
    ``better`` itself raises."""
    image.check_fits(picture, path)
    kind = _SINKS[formats.of_target(path)]
    with (
        image.placed(path, mark, ready) as temporary,
        writing(kind, temporary, picture, path) as sink,
    ):
        better(picture.pixels, into=sink)
