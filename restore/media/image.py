"""Reading and writing images.

Metadata that the output's format keeps (`Format.keeps`) is written back. Orientation is applied
once, to the pixels, and the tag reset.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import UnidentifiedImageError

from restore import files
from restore.errors import ImageError
from restore.files import atomic_path
from restore.media import formats
from restore.media.code_points import HDR, SRGB, CodePoints, profile
from restore.media.code_points import LINEAR as LINEAR_TRANSFER
from restore.media.colour import is_of_grey
from restore.media.file_errors import head_of, opened, unwritable
from restore.media.formats import BY_SUFFIX, FORMATS
from restore.media.formats.extras import library_of
from restore.media.formats.format import FULL_ALPHA, ON_OR_OFF, Format
from restore.media.picture import (
    BITS,
    CALLED,
    CICP,
    COMMENT,
    DEPTHS,
    FULL,
    ICC,
    IPTC,
    LIGHT,
    LINEAR,
    LOSSLESS,
    MASTERING,
    STAMP,
    XMP,
    Picture,
)

MAX_PIXELS = 500_000_000
"""Larger images are refused before they are decoded. A header of a few bytes can claim any size."""


def read(
    path: str | Path, stream: BinaryIO | None = None, max_pixels: int | None = None
) -> Picture:
    """Read an image from a file, or from ``stream``, where ``path`` is its name in errors.

    Raises `ImageError` in one line if the file is not an image, is damaged, or claims more than
    ``max_pixels`` (default `MAX_PIXELS`).
    """
    path = Path(path)
    with opened(path, stream) as file:
        format_ = _recognised(file, path)
        picture = format_.decode(file, max_pixels or MAX_PIXELS)
    stated = {LOSSLESS: False} if format_.lossy else {}
    return picture.with_info(**{**stated, **picture.info, "format": format_.name})


def size(path: str | Path) -> tuple[int, int]:
    """Return the (height, width) of the image that `read` returns, from the header if the format
    allows. Raises as `read` does."""
    path = Path(path)
    with opened(path) as stream:
        format_ = _recognised(stream, path)
        if format_.size is not None:
            return format_.size(stream, MAX_PIXELS)
        height, width = format_.decode(stream, MAX_PIXELS).pixels.shape[:2]
        return height, width


def _recognised(stream: BinaryIO, path: Path) -> Format:
    format_ = formats.recognised(head_of(stream), path.suffix.lower())
    if format_ is None:
        raise UnidentifiedImageError
    return format_


def check_target(path: str | Path, overwrite: bool = False) -> None:
    """Raise `ImageError` before any work if an image could not be written to a path."""
    path = Path(path)
    formats.of_target(path)
    files.check_target(path, overwrite, ImageError)


def check_fits(picture: Picture, path: str | Path) -> tuple[str, ...]:
    """Return notes on parts of a picture that the format of ``path`` cannot keep.

    Raises `ImageError` if the format is unknown or cannot hold the picture: because of its size,
    its colours, its transparency, or the bit depth requested.
    """
    path = Path(path)
    format_ = formats.of_target(path)
    if format_.longest is not None and max(picture.pixels.shape[:2]) > format_.longest:
        raise ImageError(
            f"{path}: {format_.name} cannot hold more than {format_.longest} pixels a side"
        )
    if path.suffix.lower() in format_.for_grey and picture.pixels.ndim == 3:
        other = next(s for s in format_.suffixes if s not in format_.for_grey)
        raise ImageError(f"{path}: holds greyscale alone; use {other}")
    if format_.extra:
        _check_library(path, format_)
    _check_alpha(picture, path, format_)
    _check_hdr(picture, path, format_)
    asked = picture.info.get("bit_depth")
    if asked and not format_.holds(asked):
        able = sorted(s for s in formats.PROPOSED if BY_SUFFIX[s].holds(asked))
        raise ImageError(
            f"{path}: {format_.name} has no {asked} bits per channel; use one of {', '.join(able)}"
        )
    return tuple(_lost(picture, format_))


def _check_library(path: Path, format_: Format) -> None:
    try:
        library_of(format_.name, format_.extra, format_.library)
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from error


def _check_alpha(picture: Picture, path: Path, format_: Format) -> None:
    if picture.alpha is None or format_.alpha == FULL_ALPHA:
        return
    lost = picture.alpha < FULL[picture.alpha.dtype]
    if format_.alpha == ON_OR_OFF:
        lost &= picture.alpha > 0
    if lost.any():
        raise ImageError(f"{path}: {format_.name} cannot keep the picture's transparency; use .png")


def _check_hdr(picture: Picture, path: Path, format_: Format) -> None:
    points: CodePoints | None = picture.info.get(CICP)
    if points is not None and points.is_hdr and CICP not in format_.keeps:
        able = sorted(s for s in formats.PROPOSED if CICP in BY_SUFFIX[s].keeps)
        raise ImageError(
            f"{path}: {format_.name} cannot hold {HDR[points.transfer]}, the curve of this HDR "
            f"picture; use one of {', '.join(able)}"
        )


def _lost(picture: Picture, format_: Format) -> Iterator[str]:
    info, name = picture.info, format_.name
    written = depth_written(picture, format_)
    if written.itemsize < picture.pixels.dtype.itemsize and not info.get("bit_depth"):
        bits = {dtype: depth for depth, dtype in DEPTHS.items()}
        before, after = bits[picture.pixels.dtype], bits[written]
        yield f"{before} bits per channel become {after}, the most that {name} holds"
    if written == DEPTHS["16"] and info.get(BITS, 16) > format_.most_bits:
        yield f"16 bits per channel become {format_.most_bits}, the most that {name} holds"
    for key, called in CALLED.items():
        if key in info and key not in format_.keeps:
            yield f"{name} cannot store the {called}"
    for other in FORMATS:
        if other is not format_:
            for part in other.private(info):
                yield f"{name} cannot store {part}"
    if COMMENT in info and COMMENT not in format_.keeps:
        yield f"{name} cannot store the comment"
    if info.get(STAMP) and XMP not in (*info, *format_.keeps):
        yield f"{name} cannot store the stamp"
    yield from _lost_colour(info, format_)
    if ICC in format_.keeps and ICC in info and not _fits_profile(picture, format_):
        yield f"{name} has no greyscale, and cannot store the colour profile of a grey picture"
    if IPTC in info and IPTC not in format_.keeps:
        yield f"{name} cannot store IPTC's captions"
    if info.get("quality") and not format_.lossy:
        yield f"{name} is lossless: the quality has no effect"
    yield from format_.lost(picture)


def _lost_colour(info: dict[str, Any], format_: Format) -> Iterator[str]:
    points: CodePoints | None = info.get(CICP)
    if points is not None and CICP not in format_.keeps and not info.get(ICC):
        has_profile = ICC in format_.keeps and profile(points) is not None
        if not points.is_srgb and not has_profile:
            yield f"{format_.name} cannot store the colour space (code points {points})"
    if (MASTERING in info or LIGHT in info) and LIGHT not in format_.keeps:
        yield f"{format_.name} cannot store the light levels of HDR"


def _fits_profile(picture: Picture, format_: Format) -> bool:
    """Whether the profile matches the channels written: no greyscale profile on colours."""
    return format_.grey or picture.pixels.ndim == 3 or not is_of_grey(picture.info[ICC])


def depth_written(picture: Picture, format_: Format) -> np.dtype:
    """Return the depth in which `write` stores a picture in this format."""
    asked = picture.info.get("bit_depth")
    return DEPTHS[asked] if asked else format_.nearest(picture.pixels.dtype)


def write(
    picture: Picture,
    path: str | Path,
    mark: str = "",
    ready: Callable[[Path], object] = lambda temporary: None,
) -> None:
    """Write a picture in the format of the path's suffix, completely or not at all.

    If the format lacks the picture's depth, values are rounded to the nearest depth it has.

    Args:
        mark, ready: as for `atomic_path`.

    Raises:
        ImageError: as `check_fits` does, and if writing fails. ``path`` is then unchanged.
    """
    path = Path(path)
    content = encoded(picture, path)
    with placed(path, mark, ready) as temporary, unwritable(path):
        temporary.write_bytes(content)


def copy(
    picture: Picture,
    source: Path | bytes,
    target: Path,
    mark: str = "",
    ready: Callable[[Path], object] = lambda temporary: None,
) -> bool:
    """Store the file that a picture was read from, or its bytes, if ``target`` names its format.

    Args:
        mark, ready: as for `atomic_path`.

    Returns:
        False, without doing anything, if ``target`` names another format.

    Raises:
        ImageError: if it cannot be written. ``target`` is then unchanged.
    """
    format_ = BY_SUFFIX.get(target.suffix.lower())
    if format_ is None or format_.name != picture.info["format"]:
        return False
    with placed(target, mark, ready) as temporary, unwritable(target):
        if isinstance(source, bytes):
            temporary.write_bytes(source)
        else:
            shutil.copyfile(source, temporary)
    return True


@contextmanager
def placed(
    path: Path, mark: str = "", ready: Callable[[Path], object] = lambda temporary: None
) -> Iterator[Path]:
    """Provide the temporary file of `atomic_path` for an image. Raises `ImageError` if it fails;
    exceptions raised inside the block pass unchanged."""
    with ExitStack() as held:
        with unwritable(path):
            temporary = held.enter_context(atomic_path(path, mark, ready))
        yield temporary
        with unwritable(path):
            held.close()


def encoded(picture: Picture, name: str | Path) -> bytes:
    """Return the bytes that `write` would store under this name. Raises `ImageError`."""
    path = Path(name)
    check_fits(picture, path)
    format_ = formats.of_target(path)
    assert format_.encode is not None  # `of_target` refuses formats that are read only
    with unwritable(path, format_.name):
        return format_.encode(_prepared(picture, format_))


def _prepared(picture: Picture, format_: Format) -> Picture:
    """Convert a picture to a depth, transparency and metadata that a format holds."""
    left_out = {ICC, LINEAR} - set(format_.keeps)
    if ICC in picture.info and not _fits_profile(picture, format_):
        left_out.add(ICC)
    info = {key: value for key, value in picture.info.items() if key not in left_out}
    if ICC in format_.keeps and (made := _profile_of_points(info, format_)):
        info[ICC] = made
    picture = picture.stated(info, depth_written(picture, format_))
    return picture if format_.alpha else replace(picture, alpha=None)


def _profile_of_points(info: dict[str, Any], format_: Format) -> bytes | None:
    """Return a profile of the colour space that only code points state, for a format without
    them."""
    points: CodePoints | None = info.get(CICP)
    if points is None or CICP in format_.keeps or info.get(ICC):
        return None
    if points.transfer == LINEAR_TRANSFER:  # `Picture.stated` applies sRGB's curve
        points = points._replace(transfer=SRGB)
    return None if points.is_srgb else profile(points)
