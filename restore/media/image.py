"""Reading and writing pictures: 8 bits a channel, grey or RGB, with or without alpha.

What a file carries besides its pixels (ICC profile, EXIF, resolution, alpha) is read with them
and written back. Orientation is applied once, to the pixels, and the tag reset.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from restore.errors import ImageError
from restore.files import atomic_path

FORMATS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".bmp": "BMP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
}
SUFFIXES = frozenset(FORMATS)
MAX_PIXELS = 500_000_000
"""Larger pictures are refused before they are decoded: a few bytes can claim any size."""

_WITHOUT_ALPHA = frozenset({"JPEG", "BMP"})
_JPEG_QUALITY = 95
_WEBP_QUALITY = 95


@dataclass(frozen=True)
class Picture:
    """``pixels``: H x W or H x W x 3, uint8, encoded as the file was; ``alpha``: H x W or None.

    ``info`` holds what travels along: icc_profile, exif, dpi, and how the file was compressed.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None
    info: dict[str, Any]

    def with_pixels(self, pixels: np.ndarray) -> Picture:
        return replace(self, pixels=pixels)


def read(path: str | Path) -> Picture:
    """Read one picture. Raises `ImageError` in one line for anything that is not one."""
    path = Path(path)
    try:
        with warnings.catch_warnings():
            # Pillow warns of large pictures and of oddities in metadata; the first is decided
            # below, the second does not concern the pixels.
            warnings.simplefilter("ignore")
            with Image.open(path) as file:
                return _decode(file, path)
    except ImageError:
        raise
    except FileNotFoundError:
        raise ImageError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise ImageError(f"{path}: is a folder, not a picture") from None
    except UnidentifiedImageError:
        raise ImageError(f"{path}: not a picture in a format that can be read") from None
    except Image.DecompressionBombError:
        raise ImageError(f"{path}: claims more than {MAX_PIXELS:,} pixels; refused") from None
    except OSError as error:
        raise ImageError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, SyntaxError, EOFError, TypeError, KeyError, IndexError) as error:
        # Pillow's decoders let these through on damaged files.
        raise ImageError(f"{path}: damaged: {error}") from error


def _decode(file: Image.Image, path: Path) -> Picture:
    if file.format not in FORMATS.values():
        raise ImageError(
            f"{path}: {file.format} is not supported; use one of {', '.join(sorted(SUFFIXES))}"
        )
    if file.width * file.height > MAX_PIXELS:
        raise ImageError(f"{path}: has more than {MAX_PIXELS:,} pixels; refused")
    info = {k: file.info[k] for k in ("icc_profile", "dpi") if file.info.get(k)}
    if file.format == "JPEG":
        info["jpeg_sampling"] = _jpeg_sampling(file)
    image = ImageOps.exif_transpose(file)
    exif = image.getexif()
    exif.pop(ExifTags.Base.Orientation, None)
    if len(exif):
        info["exif"] = exif.tobytes()
    has_alpha = image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info
    if image.mode in ("L", "LA", "1"):
        mode = "LA" if has_alpha else "L"
    elif image.mode in ("P", "PA", "RGB", "RGBA", "RGBX"):
        mode = "RGBA" if has_alpha else "RGB"
    else:
        raise ImageError(
            f"{path}: holds {image.mode} pixels; so far, 8-bit grey and RGB can be processed"
        )
    data = np.asarray(image.convert(mode))
    if not has_alpha:
        return Picture(data, None, info)
    pixels = data[..., 0] if mode == "LA" else data[..., :3]
    return Picture(np.ascontiguousarray(pixels), np.ascontiguousarray(data[..., -1]), info)


def _jpeg_sampling(file: Image.Image) -> str | int | None:
    from PIL.JpegImagePlugin import get_sampling

    sampling = get_sampling(file)
    return None if sampling < 0 else sampling


def check_target(path: str | Path, overwrite: bool = False) -> None:
    """Raise `ImageError` where a picture could not be written, before any work is done."""
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        known = ", ".join(sorted(SUFFIXES))
        raise ImageError(f"{path}: unknown output format {path.suffix!r}; use one of {known}")
    if path.is_dir():
        raise ImageError(f"{path}: is a folder; name the output file")
    if not path.parent.is_dir():
        raise ImageError(f"{path}: folder {path.parent} does not exist")
    if path.exists() and not overwrite:
        raise ImageError(f"{path}: exists already; give --overwrite to replace it")


def check_alpha(picture: Picture, path: str | Path) -> None:
    """Raise `ImageError` where writing to ``path`` would lose the picture's transparency."""
    format_ = FORMATS.get(Path(path).suffix.lower())
    if picture.alpha is not None and format_ in _WITHOUT_ALPHA and (picture.alpha < 255).any():
        raise ImageError(f"{path}: {format_} cannot keep the picture's transparency; use .png")


def write(picture: Picture, path: str | Path) -> None:
    """Write a picture in the format its suffix names, whole or not at all.

    Raises `ImageError` for an unknown suffix, transparency in a format without it, and any
    failure to write; nothing is left behind then, and what stood at ``path`` is untouched.
    """
    path = Path(path)
    format_ = FORMATS.get(path.suffix.lower())
    if format_ is None:
        check_target(path, overwrite=True)
    pixels = picture.pixels
    check_alpha(picture, path)
    if picture.alpha is not None and format_ not in _WITHOUT_ALPHA:
        pixels = np.dstack((pixels, picture.alpha))
    mode = {2: "L"}.get(pixels.ndim) or {2: "LA", 3: "RGB", 4: "RGBA"}[pixels.shape[2]]
    image = Image.frombuffer(
        mode, (pixels.shape[1], pixels.shape[0]), np.ascontiguousarray(pixels).tobytes()
    )
    options = {k: v for k, v in picture.info.items() if k in ("icc_profile", "exif", "dpi")}
    try:
        with atomic_path(path) as temporary:
            image.save(temporary, format=format_, **options, **_compression(format_, picture))
    except OSError as error:
        raise ImageError(f"{path}: cannot be written: {error.strerror or error}") from error
    except ValueError as error:
        raise ImageError(f"{path}: cannot be written as {format_}: {error}") from error


def _compression(format_: str | None, picture: Picture) -> dict[str, Any]:
    if format_ == "JPEG":
        sampling = picture.info.get("jpeg_sampling")
        return {"quality": _JPEG_QUALITY, "subsampling": 0 if sampling is None else sampling}
    if format_ == "WEBP":
        # Alpha is kept exactly, so colours under it must be too.
        return {"quality": _WEBP_QUALITY, "alpha_quality": 100, "method": 4}
    if format_ == "TIFF":
        return {"compression": "tiff_lzw"}
    return {}
