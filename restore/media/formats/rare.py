"""Formats that are only read: TGA, PCX, ICO and PBM by Pillow, and Radiance by imagecodecs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from restore.errors import ImageError
from restore.media import assembly
from restore.media.formats import pillow_helpers
from restore.media.formats.format import NO_ALPHA, Format, check_size
from restore.media.picture import COMMENT, Picture

_RADIANCE = (b"#?RADIANCE", b"#?RGBE")
_UPRIGHT = re.compile(rb"\n-Y (\d{1,6}) \+X (\d{1,6})\n")
"""The line of Radiance with height and width, for rows from top to bottom."""
_HEAD = 1 << 16
_PCX_VERSIONS = (0, 2, 3, 5)
_ICON = b"\0\0\1\0"


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
    content = stream.read()
    return assembly.picture(imagecodecs.rgbe_decode(content), {}, _settings(content[:_HEAD]))


def _settings(head: bytes) -> tuple[str, ...]:
    """Return a note on lines of a header of Radiance other than its format."""
    lines = head[: head.index(b"\n\n")].splitlines()[1:] if b"\n\n" in head else []
    names = dict.fromkeys(line.split(b"=")[0].strip() for line in lines if b"=" in line)
    kept = [name.decode("latin-1") for name in names if name not in (b"FORMAT", b"")]
    return (f"its header is not kept: {', '.join(kept)}",) if kept else ()


def _decode_tga(stream: BinaryIO, max_pixels: int) -> Picture:
    with pillow_helpers.identified(stream, "TGA") as file:
        check_size(file.height, file.width, max_pixels)
        return pillow_helpers.decode(file, {COMMENT: file.info.get("id_section")})


def _decode_icon(stream: BinaryIO, max_pixels: int) -> Picture:
    """Read the largest picture of an icon."""
    with pillow_helpers.identified(stream, "ICO") as file:
        check_size(file.height, file.width, max_pixels)
        others = len(file.info.get("sizes", ())) - 1
        notes = (f"holds {others + 1} sizes; only the largest is read",) if others > 0 else ()
        return pillow_helpers.decode(file, notes=notes)


def _formats() -> Iterator[Format]:
    kinds = (("PCX", (".pcx",), _is_pcx), ("PBM", (".pbm",), _never))
    for name, suffixes, recognises in kinds:
        of_pillow = "PPM" if name == "PBM" else name
        yield Format(
            name,
            suffixes,
            recognises,
            pillow_helpers.decoder(of_pillow),
            size=pillow_helpers.sizer(of_pillow),
            by_suffix=recognises is _never,
            alpha=NO_ALPHA,
        )


PCX, PBM = _formats()
TGA = Format(
    "TGA",
    (".tga",),
    _never,
    _decode_tga,
    size=pillow_helpers.sizer("TGA"),
    by_suffix=True,
)
ICO = Format("ICO", (".ico",), _is_icon, _decode_icon, size=pillow_helpers.sizer("ICO"))
RADIANCE = Format(
    "RADIANCE",
    (".hdr",),
    _is_radiance,
    _decode_radiance,
    size=_radiance_size,
    depths=("32f",),
    alpha=NO_ALPHA,
)
