"""Large images, read and written by rows if both formats can, with the results of `image`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from restore.errors import ImageError
from restore.media import formats, image
from restore.media.file_errors import head_of, opened
from restore.media.file_sink import writing
from restore.media.formats import BY_SUFFIX
from restore.media.picture import CICP, DEPTHS, Picture
from restore.rows import Rows

ABOVE = 24_000_000
"""Images with more pixels are large."""
_DEPTHS = (DEPTHS["8"], DEPTHS["16"])


def read(
    path: str | Path,
    stream: BinaryIO | None = None,
    max_pixels: int | None = None,
    above: int = ABOVE,
) -> Picture | None:
    """Open an image of more than ``above`` pixels by rows.

    Its ``pixels`` and ``alpha`` are `Rows`, which raise `ImageError` if they turn out to be
    damaged. Returns None for any other image, and if the header is damaged.
    """
    path = Path(path)
    with suppress(ImageError), opened(path, stream) as file:
        file.fileno()  # a stream in memory has none, and need not be read by rows
        format_ = formats.recognised(head_of(file), path.suffix.lower())
        if format_ is not None and format_.by_rows is not None:
            found = format_.by_rows(path, file, above + 1, max_pixels or image.MAX_PIXELS)
            return None if found is None else found.with_info(format=format_.name)
    return None


def goes_by_rows(picture: Picture, target: Path, above: int = ABOVE) -> bool:
    """Whether `restore` can write the result for a picture of more than ``above`` pixels: in its
    own depth, without converting light or filling hidden colours."""
    format_ = BY_SUFFIX.get(target.suffix.lower())
    if format_ is None or format_.sink is None or prod(picture.pixels.shape[:2]) <= above:
        return False
    dtype = picture.pixels.dtype
    if CICP in picture.info and CICP not in format_.keeps:  # a profile must be made
        return False
    if dtype not in _DEPTHS or image.depth_written(picture, format_) != dtype:
        return False
    return not picture.is_linear and not _hides(picture)


def _hides(picture: Picture) -> bool:
    """Whether the picture has fully transparent pixels. Filling them requires the whole image."""
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
    """Restore a picture by ``better`` and return it, still to be written; or, if it
    `goes_by_rows`, restore it by ``by_rows``, write it and return None."""
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
    """Write the result of ``better(pixels, into=sink)`` for a picture that `goes_by_rows`, each row
    as soon as it is complete.

    Args:
        mark, ready: as for `image.write`.

    Raises:
        ImageError: as `image.write` does.
    """
    image.check_fits(picture, path)
    kind = formats.of_target(path).sink
    assert kind is not None  # see `goes_by_rows`
    with (
        image.placed(path, mark, ready) as temporary,
        writing(kind, temporary, picture, path) as sink,
    ):
        better(picture.pixels, into=sink)
