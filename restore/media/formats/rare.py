"""Formats that are only read: TGA, PSD (its merged picture), PCX, ICO and PBM by Pillow, and
Radiance by imagecodecs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from restore.errors import ImageError
from restore.media import assembly
from restore.media.formats import pillow_helpers
from restore.media.formats.format import FULL_ALPHA, NO_ALPHA, Format, check_size
from restore.media.picture import Picture

_RADIANCE = (b"#?RADIANCE", b"#?RGBE")
_UPRIGHT = re.compile(rb"\n-Y (\d{1,6}) \+X (\d{1,6})\n")
"""The line of Radiance with height and width, for rows from top to bottom."""
_HEAD = 1 << 16
_PCX_VERSIONS = (0, 2, 3, 5)
_ICON = b"\0\0\1\0"


def _is_psd(head: bytes) -> bool:
    return head.startswith(b"8BPS\0\1")


def _is_pcx(head: bytes) -> bool:
    return len(head) > 2 and head[0] == 10 and head[1] in _PCX_VERSIONS and head[2] <= 1


def _is_icon(head: bytes) -> bool:
    return head.startswith(_ICON)


def _never(head: bytes) -> bool:
    """Return False: TGA begins with no signature, and PBM as PPM does. Their endings tell."""
    return False


def _is_radiance(head: bytes) -> bool:
    return head.startswith(_RADIANCE)


def _radiance_size(stream: BinaryIO, max_pixels: int) -> tuple[int, int]:
    found = _UPRIGHT.search(assembly.peeked(stream, _HEAD))
    if found is None:
        raise ImageError("is damaged, or its rows are not stored from top to bottom")
    return int(found[1]), int(found[2])


def _decode_radiance(stream: BinaryIO, max_pixels: int) -> Picture:
    import imagecodecs

    check_size(*_radiance_size(stream, max_pixels), max_pixels)
    stream.seek(0)
    return assembly.picture(imagecodecs.rgbe_decode(stream.read()), {})


def _formats() -> Iterator[Format]:
    kinds = (
        ("TGA", (".tga",), _never, FULL_ALPHA),
        ("PSD", (".psd",), _is_psd, FULL_ALPHA),
        ("PCX", (".pcx",), _is_pcx, NO_ALPHA),
        ("ICO", (".ico",), _is_icon, FULL_ALPHA),
        ("PBM", (".pbm",), _never, NO_ALPHA),
    )
    for name, suffixes, recognises, alpha in kinds:
        of_pillow = "PPM" if name == "PBM" else name
        yield Format(
            name,
            suffixes,
            recognises,
            pillow_helpers.decoder(of_pillow),
            size=pillow_helpers.sizer(of_pillow),
            by_suffix=recognises is _never,
            alpha=alpha,
        )


TGA, PSD, PCX, ICO, PBM = _formats()
RADIANCE = Format(
    "RADIANCE",
    (".hdr",),
    _is_radiance,
    _decode_radiance,
    size=_radiance_size,
    depths=("32f",),
    alpha=NO_ALPHA,
)
