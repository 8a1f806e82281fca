"""Reading and writing pictures: 8 or 16 bits a channel, grey or RGB, with or without alpha.

What a file carries besides its pixels (ICC profile, EXIF, resolution, alpha) is read with them
and written back. Orientation is applied once, to the pixels, and the tag reset.
"""

from __future__ import annotations

import io
import math
import os
import struct
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import ExifTags, Image, ImageFile, ImageOps, UnidentifiedImageError

from restore.errors import ImageError
from restore.files import atomic_path
from restore.media import deep

FORMATS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".bmp": "BMP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".ppm": "PPM",
    ".pgm": "PPM",
    ".pnm": "PPM",
}
SUFFIXES = frozenset(FORMATS)
MAX_PIXELS = 500_000_000
"""Larger pictures are refused before they are decoded: a few bytes can claim any size."""

_READABLE = frozenset(FORMATS.values()) | {"MPO"}
"""MPO is what Pillow calls a JPEG with more pictures behind the first, as many phones write."""

_ACCEPTED = "so far, grey and RGB of 8 or 16 bits can be processed"

_STORAGE_TAGS = frozenset(
    (
        *(254, 255, 256, 257, 258, 259, 262, 263, 266, 273, 277, 278, 279, 284, 292, 293, 317),
        *(320, 322, 323, 324, 325, 330, 332, 338, 339, 340, 341, 347, 512, 513, 514, 529, 530),
        *(532, 700, 33723, 34377, 34675, 37724),
    )
)
"""What EXIF and TIFF say of how and where the old pixels are stored, which would be false of the
new; and profiles and Photoshop's layers, embedded as if they were tags."""

_SIDEWAYS = frozenset((5, 6, 7, 8))
"""The EXIF orientations that exchange height and width."""

_LONGEST_SIDE = {"JPEG": 65535, "WEBP": 16383}
_WITHOUT_ALPHA = frozenset({"JPEG", "BMP", "PPM"})
_JPEG_QUALITY = 95
_WEBP_QUALITY = 95


@dataclass(frozen=True)
class Picture:
    """``pixels``: H x W or H x W x 3, uint8 or uint16, encoded as the file was; ``alpha``: H x W of
    the same type, or None.

    ``info`` holds what travels along: icc_profile, exif, dpi, and the format of the file and how it
    was compressed.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None
    info: dict[str, Any]

    def with_pixels(self, pixels: np.ndarray) -> Picture:
        return replace(self, pixels=pixels)

    def in_8_bits(self) -> Picture:
        """The same in uint8, rounded."""
        if self.pixels.dtype == np.uint8:
            return self
        alpha = None if self.alpha is None else _to_8_bits(self.alpha)
        return replace(self, pixels=_to_8_bits(self.pixels), alpha=alpha)


def _to_8_bits(values: np.ndarray) -> np.ndarray:
    return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)


def read(path: str | Path, stream: BinaryIO | None = None) -> Picture:
    """Read one picture, from ``stream`` where there is one and ``path`` is what to call it.

    Raises `ImageError` in one line for anything that is not a picture.
    """
    path = Path(path)
    with _opened(path, stream) as file:
        return _decode(file, path)


def size(path: str | Path) -> tuple[int, int]:
    """(height, width) that `read` will find, from the file's header. Raises as `read` does."""
    path = Path(path)
    with _opened(path) as file:
        turned = file.getexif().get(ExifTags.Base.Orientation, 1) in _SIDEWAYS
        return (file.width, file.height) if turned else (file.height, file.width)


@contextmanager
def _opened(path: Path, given: BinaryIO | None = None) -> Iterator[ImageFile.ImageFile]:
    try:
        with warnings.catch_warnings():
            # Pillow warns of large pictures and of oddities in metadata; the first is decided
            # below, the second does not concern the pixels.
            warnings.simplefilter("ignore")
            # Given a path, Pillow 13 maps an uncompressed TIFF that lies on its side into memory
            # with height and width confused.
            with (
                nullcontext(given) if given else open(path, "rb") as stream,
                _open(stream) as file,
            ):
                yield file
    except ImageError:
        raise
    except FileNotFoundError:
        raise ImageError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise ImageError(f"{path}: is a folder, not a picture") from None
    except UnidentifiedImageError:
        raise ImageError(f"{path}: not a picture in a format that can be read") from None
    except Image.DecompressionBombError:
        raise ImageError(f"{path}: a tile in it claims too many pixels; refused") from None
    except OSError as error:
        raise ImageError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, SyntaxError, EOFError, TypeError, LookupError, struct.error) as error:
        # Pillow's decoders let these through on damaged files.
        raise ImageError(f"{path}: damaged: {error}") from error


_opening = threading.Lock()


def _open(stream: BinaryIO) -> ImageFile.ImageFile:
    """Identify a file, with our limit of pixels (see `_decode`) in place of Pillow's lower one."""
    with _opening:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(stream)
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _decode(file: ImageFile.ImageFile, path: Path) -> Picture:
    if file.format not in _READABLE:
        raise ImageError(
            f"{path}: {file.format} is not supported; use one of {', '.join(sorted(SUFFIXES))}"
        )
    if file.width * file.height > MAX_PIXELS:
        raise ImageError(f"{path}: has more than {MAX_PIXELS:,} pixels; refused")
    info = {"icc_profile": file.info.get("icc_profile") or None, "dpi": _dpi(file)}
    info["format"] = "JPEG" if file.format == "MPO" else file.format
    if info["format"] == "JPEG":
        info["jpeg_sampling"] = _jpeg_sampling(file)
    if deep.is_deep(file):
        return _decode_deep(file, path, info)
    image = ImageOps.exif_transpose(file)
    info["exif"] = _exif(file)
    info = {k: v for k, v in info.items() if v is not None}
    has_alpha = image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info
    if image.mode in ("L", "LA", "1"):
        mode = "LA" if has_alpha else "L"
    elif image.mode in ("P", "PA", "RGB", "RGBA", "RGBX"):
        mode = "RGBA" if has_alpha else "RGB"
    else:
        raise ImageError(f"{path}: holds {image.mode} pixels; {_ACCEPTED}")
    data = np.asarray(image.convert(mode))
    if not has_alpha:
        return Picture(data, None, info)
    pixels = data[..., 0] if mode == "LA" else data[..., :3]
    return Picture(np.ascontiguousarray(pixels), np.ascontiguousarray(data[..., -1]), info)


def _decode_deep(file: ImageFile.ImageFile, path: Path, info: dict[str, Any]) -> Picture:
    stream = file.fp
    assert stream is not None
    assert file.format is not None
    place = stream.tell()
    stream.seek(0)
    content = stream.read()
    stream.seek(place)  # Pillow goes on from there, to EXIF that stands behind the pixels
    orientation = file.getexif().get(ExifTags.Base.Orientation, 1)
    try:
        data = deep.decode(content, file.format)
    except ImageError as error:
        raise ImageError(f"{path}: {error}; {_ACCEPTED}") from error
    except RuntimeError as error:  # of which the decoders' own errors are kinds
        raise ImageError(f"{path}: damaged: {error}") from error
    if data.shape[:2] != (file.height, file.width):
        raise ImageError(f"{path}: damaged: its header and its pixels differ in size")
    data = deep.upright(data, orientation)
    info["exif"] = _exif(file)
    info = {k: v for k, v in info.items() if v is not None}
    channels = 1 if data.ndim == 2 else data.shape[2]
    if channels in (1, 3):
        return Picture(np.ascontiguousarray(data), None, info)
    pixels = data[..., 0] if channels == 2 else data[..., :3]
    return Picture(np.ascontiguousarray(pixels), np.ascontiguousarray(data[..., -1]), info)


def _dpi(file: Image.Image) -> tuple[float, float] | None:
    """The resolution, if the file states one that other formats can hold."""
    dpi = file.info.get("dpi")
    if dpi is None or dpi == (1, 1):  # what Pillow makes up for a TIFF that states none
        return None
    x, y = float(dpi[0]), float(dpi[1])
    return (x, y) if all(math.isfinite(v) and 0 < v < 65535 for v in (x, y)) else None


def _exif(file: Image.Image) -> bytes | None:
    """EXIF of a file whose pixels have been read and turned upright, as it is to be written."""
    exif = file.getexif()
    for tag in (ExifTags.Base.Orientation, *_STORAGE_TAGS):
        exif.pop(tag, None)
    return exif.tobytes() if len(exif) else None


def _jpeg_sampling(file: Image.Image) -> str | int | None:
    from PIL.JpegImagePlugin import get_sampling

    sampling = get_sampling(file)
    return None if sampling < 0 else sampling


def check_target(path: str | Path, overwrite: bool = False) -> None:
    """Raise `ImageError` where a picture could not be written, before any work is done."""
    path = Path(path)
    _format(path)
    if os.path.isdir(path):
        raise ImageError(f"{path}: is a folder; name the output file")
    if not os.path.isdir(path.parent):
        raise ImageError(f"{path}: folder {path.parent} does not exist")
    if not os.access(path.parent, os.W_OK):
        raise ImageError(f"{path}: folder {path.parent} may not be written to")
    if os.path.lexists(path) and not overwrite:
        raise ImageError(f"{path}: exists already; give --overwrite to replace it")


def _format(path: Path) -> str:
    """What Pillow calls the format that a path's suffix names. Raises `ImageError`."""
    try:
        return FORMATS[path.suffix.lower()]
    except KeyError:
        known = ", ".join(sorted(SUFFIXES))
        raise ImageError(
            f"{path}: unknown output format {path.suffix!r}; use one of {known}"
        ) from None


def check_fits(picture: Picture, path: str | Path) -> None:
    """Raise `ImageError` where the format of ``path`` cannot hold the picture: for its size, or
    because its transparency would be lost; or where there is no such format."""
    format_ = _format(Path(path))
    longest = _LONGEST_SIDE.get(format_)
    if longest is not None and max(picture.pixels.shape[:2]) > longest:
        raise ImageError(f"{path}: {format_} cannot hold more than {longest} pixels a side")
    opaque = np.iinfo(picture.pixels.dtype).max
    if picture.alpha is not None and format_ in _WITHOUT_ALPHA and (picture.alpha < opaque).any():
        raise ImageError(f"{path}: {format_} cannot keep the picture's transparency; use .png")


def write(
    picture: Picture,
    path: str | Path,
    mark: str = "",
    ready: Callable[[Path], object] = lambda temporary: None,
) -> None:
    """Write a picture in the format its suffix names, whole or not at all; ``mark`` and ``ready``
    are those of `atomic_path`.

    Raises `ImageError` for an unknown suffix, transparency in a format without it, and any
    failure to write; nothing is left behind then, and what stood at ``path`` is untouched. A format
    that has 8 bits a channel gets the picture rounded to them.
    """
    path = Path(path)
    check_fits(picture, path)
    format_ = _format(path)
    try:
        with atomic_path(path, mark, ready) as temporary:
            _save(picture, temporary, format_)
    except OSError as error:
        raise ImageError(f"{path}: cannot be written: {error.strerror or error}") from error
    except ValueError as error:
        raise ImageError(f"{path}: cannot be written as {format_}: {error}") from error


def encoded(picture: Picture, suffix: str) -> bytes:
    """The file that `write` would make under a name with this suffix. Raises `ImageError`."""
    check_fits(picture, f"-{suffix}")
    buffer = io.BytesIO()
    try:
        _save(picture, buffer, FORMATS[suffix])
    except (OSError, ValueError) as error:
        raise ImageError(f"cannot be encoded as {FORMATS[suffix]}: {error}") from error
    return buffer.getvalue()


def _save(picture: Picture, target: Path | BinaryIO, format_: str) -> None:
    if format_ not in deep.FORMATS:
        picture = picture.in_8_bits()  # which is what the format has
    pixels = picture.pixels
    if picture.alpha is not None and format_ not in _WITHOUT_ALPHA:
        pixels = np.dstack((pixels, picture.alpha))
    if pixels.dtype == np.uint16:
        content = deep.encode(pixels, format_, picture.info)
        if isinstance(target, Path):
            target.write_bytes(content)
        else:
            target.write(content)
        return
    mode = {2: "L"}.get(pixels.ndim) or {2: "LA", 3: "RGB", 4: "RGBA"}[pixels.shape[2]]
    image = Image.frombuffer(
        mode, (pixels.shape[1], pixels.shape[0]), np.ascontiguousarray(pixels).tobytes()
    )
    options = {k: v for k, v in picture.info.items() if k in ("icc_profile", "exif", "dpi")}
    image.save(target, format=format_, **options, **_compression(format_, picture))


def _compression(format_: str | None, picture: Picture) -> dict[str, Any]:
    if format_ == "JPEG":
        sampling = picture.info.get("jpeg_sampling")
        return {"quality": _JPEG_QUALITY, "subsampling": 0 if sampling is None else sampling}
    if format_ == "WEBP":
        # Exact: alpha is kept as it is, and so must be the colours where it hides them.
        return {"quality": _WEBP_QUALITY, "alpha_quality": 100, "exact": True, "method": 4}
    if format_ == "TIFF":
        # libtiff, which compresses, cannot write the directories inside EXIF through Pillow.
        return {"compression": "raw" if "exif" in picture.info else "tiff_lzw"}
    return {}
