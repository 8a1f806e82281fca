"""Large pictures: read and written by rows where both ends can, as the whole ones are otherwise."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from math import prod
from pathlib import Path
from typing import BinaryIO

from restore.errors import ImageError
from restore.media import formats, image
from restore.media.formats import DEPTHS, FORMATS
from restore.media.opening import begins, opened
from restore.media.picture import Picture
from restore.media.rows import png, tiff
from restore.media.rows.sink import Sink, writing

ABOVE = 24_000_000
"""Pixels from which on a picture is large."""
_DEPTHS = (DEPTHS["8"], DEPTHS["16"])
_BLOCK = 256
"""Rows that are looked at together."""
_SINKS: dict[formats.Format, type[Sink]] = {formats.PNG: png.PngSink, formats.TIFF: tiff.TiffSink}


def read(
    path: str | Path,
    stream: BinaryIO | None = None,
    max_pixels: int | None = None,
    above: int = ABOVE,
) -> Picture | None:
    """`image.read` of a picture of more than ``above`` pixels whose rows can be read when they are
    needed: its ``pixels`` and ``alpha`` are `Rows`. None for any other, damaged ones too."""
    path = Path(path)
    if path.suffix.lower() in formats.RAW.suffixes:
        return None
    with suppress(ImageError), opened(path, stream) as file:
        file.fileno()  # what is in memory already need not be read by rows
        for kind in (png, tiff):
            if begins(file, kind.MAGIC):
                return kind.opened(path, file, above + 1, max_pixels or image.MAX_PIXELS)
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
    alpha = picture.alpha
    if alpha is None:
        return False
    tops = range(0, len(alpha), _BLOCK)
    return any(bool((alpha[top : top + _BLOCK] == 0).any()) for top in tops)


def restore(
    picture: Picture,
    path: Path,
    better: Callable[..., object],
    mark: str = "",
    ready: Callable[[Path], object] = lambda temporary: None,
) -> None:
    """Write what ``better(pixels, into=sink)`` makes of a picture that `goes_by_rows`, each row as
    soon as it is there; ``mark``, ``ready`` and what is raised are those of `image.write`."""
    image.check_fits(picture, path)
    kind = _SINKS[formats.of_target(path)]
    with image.placed(path, mark, ready) as temporary, writing(kind, temporary, picture) as sink:
        better(picture.pixels, into=sink)
