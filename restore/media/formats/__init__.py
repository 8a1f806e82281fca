"""File formats of images, one file or folder each, and the table of all of them.

A new format is a file or a folder with a `Format` and one line in `FORMATS`. A test fails until
docs/files.md shows the table that `table` returns.
"""

from __future__ import annotations

from pathlib import PurePath

from restore.errors import ImageError, UsageError
from restore.media.formats.avif import AVIF
from restore.media.formats.bmp import BMP
from restore.media.formats.exr import EXR
from restore.media.formats.format import Format
from restore.media.formats.gif import GIF
from restore.media.formats.heif import HEIF
from restore.media.formats.jpeg import JPEG
from restore.media.formats.jpeg2000 import JPEG2000
from restore.media.formats.jpegxl import JPEGXL
from restore.media.formats.netpbm import PPM
from restore.media.formats.pfm import PFM
from restore.media.formats.png import PNG
from restore.media.formats.psd import PSD
from restore.media.formats.rare import ICO, PBM, PCX, RADIANCE, TGA
from restore.media.formats.raw import RAW
from restore.media.formats.tiff import TIFF
from restore.media.formats.webp import WEBP
from restore.media.picture import CALLED

FORMATS = (
    PNG,
    TIFF,
    JPEG,
    WEBP,
    AVIF,
    JPEG2000,
    JPEGXL,
    BMP,
    GIF,
    PPM,
    PFM,
    EXR,
    HEIF,
    RAW,
    PSD,
    TGA,
    RADIANCE,
    PBM,
    PCX,
    ICO,
)
"""All formats, in the order of docs/files.md."""

BY_SUFFIX = {suffix: format_ for format_ in FORMATS for suffix in format_.endings}
SUFFIXES = frozenset(BY_SUFFIX)
"""Endings of file names that may be images."""
WRITABLE = frozenset(suffix for suffix, format_ in BY_SUFFIX.items() if format_.writable)
PROPOSED = frozenset(suffix for f in FORMATS if f.writable for suffix in f.suffixes)
"""Endings that messages propose."""
ANIMATED = {
    suffix: format_
    for format_ in FORMATS
    if format_.animation is not None
    for suffix in format_.animation.suffixes
}
"""Formats that store animations, by the endings under which they are written."""
ANIMATED_NAMES = tuple(dict.fromkeys(format_.name for format_ in ANIMATED.values()))
"""Their names, as Pillow calls them. Files of other formats can hold several pictures too, but of
any sizes."""


def recognised(head: bytes, suffix: str) -> Format | None:
    """Return the format of a file by its first bytes, or by its suffix for formats without a
    signature; None if no format matches."""
    for format_ in FORMATS:
        if format_.by_suffix and suffix in format_.endings:
            return format_
    return next((format_ for format_ in FORMATS if format_.recognises(head)), None)


def of_target(path: PurePath) -> Format:
    """Return the format to write to a path, by its suffix. Raises `ImageError`."""
    format_ = BY_SUFFIX.get(path.suffix.lower())
    if not path.suffix:
        raise ImageError(
            f"{path}: has no ending that names a format, and is no folder; use one of {known()}"
        )
    if format_ is None:
        raise ImageError(f"{path}: unknown output format {path.suffix!r}; use one of {known()}")
    if not format_.writable:
        raise ImageError(f"{path}: {format_.name} can only be read; use .tif or .png")
    return format_


def checked_ending(name: str) -> str:
    """Return ``.png`` for "png", if the format can be written. Raises `UsageError`."""
    ending = f".{name.lower()}"
    if ending not in WRITABLE:
        raise UsageError(f"format is {name!r}; use one of {known().replace('.', '')}")
    return ending


def known() -> str:
    """List the usual suffixes that can be written, for messages."""
    return ", ".join(sorted(PROPOSED))


def table() -> str:
    """Return the table of formats in Markdown, as docs/files.md shows it."""
    first, last = ("format", "files", "bits per channel", "transparency"), ("pixels", "needs")
    head = (*first, *CALLED.values(), *last)
    rows = [head, ("---",) * len(head), *map(_row, FORMATS)]
    return "\n".join(" ".join(f"| {' | '.join(row)} |".split()) for row in rows)


def _row(format_: Format) -> tuple[str, ...]:
    kept = ["yes" if key in format_.keeps else "" for key in CALLED]
    pixels = "lossy" if format_.lossy else "exact" if format_.writable else "read only"
    extra = f"`maxim-restore[{format_.extra}]`" if format_.extra else ""
    deep = {"16": "16" if format_.most_bits == 16 else "10, 12"}
    files = " ".join(format_.endings)
    bits = ", ".join(deep.get(depth, depth) for depth in format_.depths)
    return (format_.name, files, bits, format_.alpha, *kept, format_.pixels or pixels, extra)
