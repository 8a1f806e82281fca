"""The kinds of picture file: what each can hold, and what it is called."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath

import numpy as np

from restore.errors import ImageError, UsageError

DEPTHS: dict[str, np.dtype] = {
    "8": np.dtype(np.uint8),
    "16": np.dtype(np.uint16),
    "32f": np.dtype(np.float32),
}
"""Bits a channel, from shallow to deep, as a user names them."""
FULL = {DEPTHS["8"]: 255, DEPTHS["16"]: 65535, DEPTHS["32f"]: 1}
"""What white is in each."""

ICC, EXIF, XMP, DPI = "icc_profile", "exif", "xmp", "dpi"
LINEAR = "linear"
CALLED = {ICC: "colour profile", EXIF: "EXIF", XMP: "XMP", DPI: "resolution"}


@dataclass(frozen=True)
class Format:
    """``name`` is Pillow's where Pillow knows it; ``depths`` are of `DEPTHS`; ``keeps`` is what it
    has a place for besides pixels; ``grey`` whether it has pictures of one channel; ``longest``
    the greatest side in pixels; ``extra`` the extra of this package that brings the ``library``
    for it."""

    name: str
    suffixes: tuple[str, ...]
    depths: tuple[str, ...] = ("8",)
    grey: bool = True
    alpha: bool = True
    keeps: tuple[str, ...] = ()
    longest: int | None = None
    lossy: bool = False
    writable: bool = True
    extra: str = ""
    library: str = ""

    def nearest(self, dtype: np.dtype) -> np.dtype:
        """The depth in which a picture of ``dtype`` is written: its own, else the next below that
        there is, else the least."""
        own = [DEPTHS[depth] for depth in self.depths]
        below = [d for d in own if d.itemsize <= dtype.itemsize]
        return below[-1] if below else own[0]


PNG = Format("PNG", (".png",), ("8", "16"), keeps=(ICC, EXIF, XMP, DPI, LINEAR))
TIFF = Format("TIFF", (".tif", ".tiff"), ("8", "16", "32f"), keeps=(ICC, EXIF, XMP, DPI))
JPEG = Format(
    "JPEG",
    (".jpg", ".jpeg"),
    alpha=False,
    keeps=(ICC, EXIF, XMP, DPI),
    longest=65500,
    lossy=True,
)
WEBP = Format("WEBP", (".webp",), grey=False, keeps=(ICC, EXIF, XMP), longest=16383, lossy=True)
AVIF = Format("AVIF", (".avif",), grey=False, keeps=(ICC, EXIF, XMP), longest=65535, lossy=True)
JPEG2000 = Format("JPEG2000", (".jp2", ".j2k"), ("8", "16"), keeps=(ICC, EXIF, XMP))
BMP = Format("BMP", (".bmp",), alpha=False, keeps=(DPI,))
GIF = Format("GIF", (".gif",), longest=65535)
PPM = Format("PPM", (".ppm", ".pgm", ".pnm"), ("8", "16"), alpha=False)
PFM = Format("PFM", (".pfm",), ("32f",), alpha=False)
EXR = Format("EXR", (".exr",), ("32f",), extra="exr", library="OpenEXR")
HEIF = Format(
    "HEIF",
    (".heic", ".heif"),
    grey=False,
    keeps=(ICC, EXIF, XMP),
    lossy=True,
    extra="heic",
    library="pillow_heif",
)
RAW = Format(
    "RAW",
    (".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2", ".pef", ".srw"),
    ("16",),
    alpha=False,
    keeps=(EXIF,),
    writable=False,
    extra="raw",
    library="rawpy",
)
_ALL = (PNG, TIFF, JPEG, WEBP, AVIF, JPEG2000, BMP, GIF, PPM, PFM, EXR, HEIF, RAW)

FORMATS = {suffix: format_ for format_ in _ALL for suffix in format_.suffixes}
SUFFIXES = frozenset(FORMATS)
"""The endings of files that may be pictures."""
WRITABLE = frozenset(suffix for suffix, format_ in FORMATS.items() if format_.writable)


def of_target(path: PurePath) -> Format:
    """The format that a path's ending names, for writing. Raises `ImageError`."""
    format_ = FORMATS.get(path.suffix.lower())
    if format_ is None:
        raise ImageError(f"{path}: unknown output format {path.suffix!r}; use one of {known()}")
    if not format_.writable:
        raise ImageError(f"{path}: {format_.name} can only be read; use .tif or .png")
    return format_


def checked_ending(name: str) -> str:
    """``.png`` of "png", for a format that can be written. Raises `UsageError`."""
    ending = f".{name.lower()}"
    if ending not in WRITABLE:
        raise UsageError(f"format is {name!r}; use one of {known().replace('.', '')}")
    return ending


def known() -> str:
    """The endings that can be written, for a message."""
    return ", ".join(sorted(WRITABLE))
