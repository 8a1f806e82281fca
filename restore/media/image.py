"""Reading and writing pictures: what goes in comes out.

What a file carries besides its pixels (see `Format.keeps`) is read with them and written back.
Orientation is applied once, to the pixels, and the tag reset.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np
from PIL import Image, ImageFile, PngImagePlugin

from restore import files
from restore.errors import ImageError
from restore.files import atomic_path
from restore.media import formats, iptc
from restore.media.codecs import avif, exr, heif, jpeg2000, netpbm, pillow, png, raw, tiff
from restore.media.codecs.extra import library_of
from restore.media.colour import is_of_grey
from restore.media.formats import (
    CALLED,
    DEPTHS,
    EXIF,
    FORMATS,
    FULL,
    ICC,
    LINEAR,
    XMP,
    Format,
)
from restore.media.opening import begins, opened, unwritable
from restore.media.picture import Picture

_T = TypeVar("_T")
MAX_PIXELS = 500_000_000
"""Larger pictures are refused before they are decoded: a few bytes can claim any size."""

_LONGEST_CHUNK = 16 << 20
"""Bytes that a compressed profile or text of a PNG may become."""
_BY_PILLOW = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "PPM", "GIF", "AVIF")


def read(
    path: str | Path, stream: BinaryIO | None = None, max_pixels: int | None = None
) -> Picture:
    """Read one picture, from ``stream`` where there is one and ``path`` is what to call it.

    Raises `ImageError` in one line for anything that is not a picture, or claims more than
    ``max_pixels``, by default `MAX_PIXELS`.
    """
    path = Path(path)
    with opened(path, stream) as file:
        picture, format_ = _decode(file, path.suffix.lower(), max_pixels or MAX_PIXELS)
    return replace(picture, info=picture.info | {"format": format_.name})


def size(path: str | Path) -> tuple[int, int]:
    """(height, width) that `read` will find, from the file's header where it says so. Raises as
    `read` does."""
    path = Path(path)
    suffix = path.suffix.lower()
    with opened(path) as stream:
        if begins(stream, tiff.MAGIC) and suffix not in formats.RAW.suffixes:
            return tiff.size(stream)
        if _is_pillows(stream, suffix):
            return _or_mended(_size_by_pillow, stream, MAX_PIXELS)
        height, width = _decode(stream, suffix, MAX_PIXELS)[0].pixels.shape[:2]
        return height, width


def _is_pillows(stream: BinaryIO, suffix: str) -> bool:
    """Whether no codec of ours comes first; that of TIFF does only where Pillow cannot."""
    own = (*exr.MAGIC, *netpbm.PFM_MAGIC, *jpeg2000.MAGIC)
    if suffix in formats.RAW.suffixes or begins(stream, own):
        return False
    head = stream.read(64)
    stream.seek(0)
    return not heif.recognised(head)


def _decode(stream: BinaryIO, suffix: str, limit: int) -> tuple[Picture, Format]:
    def bounded(height: int, width: int) -> None:
        if height * width > limit:
            raise ImageError(f"has more than {limit:,} pixels; refused")

    if suffix in formats.RAW.suffixes:
        return raw.decode(stream, limit), formats.RAW
    if begins(stream, exr.MAGIC):
        bounded(*exr.size(stream))
        return exr.decode(stream), formats.EXR
    if begins(stream, netpbm.PFM_MAGIC):
        bounded(*netpbm.size_of_pfm(stream))
        return netpbm.decode(stream), formats.PFM
    if begins(stream, jpeg2000.MAGIC):
        bounded(*jpeg2000.size(stream))
        return jpeg2000.decode(stream), formats.JPEG2000
    if not _is_pillows(stream, suffix):
        bounded(*heif.opened(stream).size)
        return heif.decode(stream), formats.HEIF
    if begins(stream, tiff.MAGIC):
        bounded(*tiff.size(stream))
        if not tiff.pillow_can(stream):
            return tiff.decode(stream), formats.TIFF
        stream.seek(0)

    def decoded(stream: BinaryIO) -> tuple[Picture, Format]:
        with _open(stream) as file:
            bounded(file.height, file.width)
            return _by_pillow(stream, file)

    return _or_mended(decoded, stream, limit)


def _size_by_pillow(stream: BinaryIO) -> tuple[int, int]:
    with _open(stream) as file:
        return pillow.size(file)


def _or_mended(work: Callable[[BinaryIO], _T], stream: BinaryIO, limit: int) -> _T:
    """``work`` of a file; of the PNG that can be made of it where a library refuses it."""
    try:
        return work(stream)
    except ImageError:
        raise
    except Exception as error:  # a decoder may raise anything on a damaged file
        try:
            again = png.mended(stream, limit)
            if again is not None:
                return work(again)
        except Exception:  # of the two, the first says what is wrong with the file,
            if isinstance(error, MemoryError):  # unless a length in it claims what it has not
                raise
        raise


def _by_pillow(stream: BinaryIO, file: ImageFile.ImageFile) -> tuple[Picture, Format]:
    # MPO is what Pillow calls a JPEG with more pictures behind the first, as many phones write.
    name = "JPEG" if file.format == "MPO" else file.format
    format_ = next(f for f in FORMATS.values() if f.name == name)
    if format_ is formats.PNG:
        return png.decode(stream, file), format_
    if format_ is formats.PPM and netpbm.is_deep(file):
        return netpbm.decode(stream), format_
    if format_ is formats.AVIF and avif.bits(stream) > 8:
        return avif.decode(stream, file), format_
    info: dict[str, Any] = {}
    if format_ is formats.WEBP:
        info["lossless"] = pillow.webp_is_lossless(stream)
    return pillow.decode(file, info), format_


_opening = threading.Lock()


def _open(stream: BinaryIO) -> ImageFile.ImageFile:
    """Identify a file, with our limit of pixels (see `_decode`) in place of Pillow's lower one,
    and room for the profiles of printers in a PNG.

    As a stream: given a path, Pillow 13 maps an uncompressed TIFF that lies on its side into memory
    with height and width confused.
    """
    with _opening:
        pixels, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        chunk, PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_CHUNK, _LONGEST_CHUNK
        try:
            return Image.open(stream, formats=_BY_PILLOW)
        finally:
            Image.MAX_IMAGE_PIXELS = pixels
            PngImagePlugin.MAX_TEXT_CHUNK = chunk


def check_target(path: str | Path, overwrite: bool = False) -> None:
    """Raise `ImageError` where a picture could not be written, before any work is done."""
    path = Path(path)
    formats.of_target(path)
    files.check_target(path, overwrite, ImageError)


def check_fits(picture: Picture, path: str | Path) -> tuple[str, ...]:
    """Notes of what the format of ``path`` has no place for.

    Raises `ImageError` where it cannot hold the picture: for its size, because its transparency
    would be lost, or for the bit depth asked for; or where there is no such format.
    """
    path = Path(path)
    format_ = formats.of_target(path)
    if format_.longest is not None and max(picture.pixels.shape[:2]) > format_.longest:
        raise ImageError(
            f"{path}: {format_.name} cannot hold more than {format_.longest} pixels a side"
        )
    if format_.extra:
        _check_library(path, format_)
    _check_alpha(picture, path, format_)
    asked = picture.info.get("bit_depth")
    if asked and asked not in format_.depths:
        able = sorted(s for s in formats.WRITABLE if asked in FORMATS[s].depths)
        raise ImageError(
            f"{path}: {format_.name} has no {asked} bits a channel; use one of {', '.join(able)}"
        )
    return tuple(_lost(picture, format_))


def _check_library(path: Path, format_: Format) -> None:
    try:
        library_of(format_)
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from error


def _check_alpha(picture: Picture, path: Path, format_: Format) -> None:
    if picture.alpha is None or (format_.alpha and format_ is not formats.GIF):
        return
    seen = picture.alpha < FULL[picture.alpha.dtype]
    if format_ is formats.GIF:
        seen &= picture.alpha > 0
    if seen.any():
        raise ImageError(f"{path}: {format_.name} cannot keep the picture's transparency; use .png")


def _lost(picture: Picture, format_: Format) -> Iterator[str]:
    info, name = picture.info, format_.name
    written = depth_written(picture, format_)
    if written.itemsize < picture.pixels.dtype.itemsize and not info.get("bit_depth"):
        bits = {dtype: depth for depth, dtype in DEPTHS.items()}
        before, after = bits[picture.pixels.dtype], bits[written]
        yield f"{before} bits a channel become {after}, which is what {name} has"
    for key, called in CALLED.items():
        too_long = format_ is formats.JPEG and key in (EXIF, XMP)
        if key in info and key not in format_.keeps:
            yield f"{name} has no place for the {called}"
        elif key in info and too_long and len(info[key]) > pillow.JPEG_SEGMENT:
            yield f"the {called} is too long for {name} and is not kept"
    texts = [name for name, _ in info.get("png_chunks", ()) if name in png.TEXTS]
    if texts and format_ is not formats.PNG:
        yield f"{name} has no place for the texts of a PNG"
    if format_ is not formats.PNG and png.has_own_colours(info):
        yield f"{name} has no place for a PNG's gamma and primaries: colours may change"
    if ICC in format_.keeps and ICC in info and not _fits_profile(picture, format_):
        yield f"{name} has no grey, and so no place for the colour profile of a grey picture"
    if iptc.IPTC in info and format_ not in iptc.HOLDERS:
        yield f"{name} has no place for IPTC's captions"
    elif format_ is formats.JPEG and not iptc.fits_jpeg(info.get(iptc.IPTC, b"")):
        yield "IPTC's captions are too long for JPEG and are not kept"
    if info.get("quality") and not format_.lossy:
        yield f"{name} has no quality to choose"
    if format_ is formats.GIF:
        yield "GIF has no more than 256 colours"


def _fits_profile(picture: Picture, format_: Format) -> bool:
    """Whether a profile is not of grey where there will be colours."""
    return format_.grey or picture.pixels.ndim == 3 or not is_of_grey(picture.info[ICC])


def depth_written(picture: Picture, format_: Format) -> np.dtype:
    """Of the file that `write` makes of a picture in this format."""
    asked = picture.info.get("bit_depth")
    return DEPTHS[asked] if asked else format_.nearest(picture.pixels.dtype)


def write(
    picture: Picture,
    path: str | Path,
    mark: str = "",
    ready: Callable[[Path], object] = lambda temporary: None,
) -> None:
    """Write a picture in the format its suffix names, whole or not at all; ``mark`` and ``ready``
    are those of `atomic_path`.

    Raises `ImageError` as `check_fits` does, and for any failure to write; nothing is left behind
    then, and what stood at ``path`` is untouched. A format without the picture's bit depth gets it
    rounded to the next it has.
    """
    path = Path(path)
    content = encoded(picture, path)
    with placed(path, mark, ready) as temporary, unwritable(path):
        temporary.write_bytes(content)


@contextmanager
def placed(
    path: Path, mark: str = "", ready: Callable[[Path], object] = lambda temporary: None
) -> Iterator[Path]:
    """`atomic_path` of a picture. Raises `ImageError` where it fails; what is raised inside stays
    as it is."""
    with ExitStack() as held:
        with unwritable(path):
            temporary = held.enter_context(atomic_path(path, mark, ready))
        yield temporary
        with unwritable(path):
            held.close()


def encoded(picture: Picture, name: str | Path) -> bytes:
    """The file that `write` would make under this name. Raises `ImageError`."""
    path = Path(name)
    check_fits(picture, path)
    format_ = formats.of_target(path)
    with unwritable(path, format_):
        return _encoded(picture, format_)


_ENCODERS: dict[Format, Callable[[Picture], bytes]] = {
    formats.PNG: png.encode,
    formats.TIFF: tiff.encode,
    formats.PPM: netpbm.encode,
    formats.PFM: netpbm.encode,
    formats.JPEG2000: jpeg2000.encode,
    formats.EXR: exr.encode,
    formats.HEIF: heif.encode,
}


def _encoded(picture: Picture, format_: Format) -> bytes:
    left_out = {ICC, LINEAR} - set(format_.keeps)
    if ICC in picture.info and not _fits_profile(picture, format_):
        left_out.add(ICC)
    info = {key: value for key, value in picture.info.items() if key not in left_out}
    picture = picture.stated(info, depth_written(picture, format_))
    if not format_.alpha:
        picture = replace(picture, alpha=None)
    encode = _ENCODERS.get(format_)
    return encode(picture) if encode else pillow.encode(picture, format_)
