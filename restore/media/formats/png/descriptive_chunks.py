"""Chunks of a PNG that describe the image: texts, gamma, primaries, profile, EXIF and XMP."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO

from restore.media.code_points import LINEAR as LINEAR_TRANSFER
from restore.media.code_points import CodePoints
from restore.media.formats.png.chunks import chunks
from restore.media.picture import CICP, DPI, EXIF, ICC, LIGHT, LINEAR, MASTERING, XMP

CHUNKS = "png_chunks"
"""Key of `Picture.info`: chunks kept byte for byte, (name, content) each."""
_XMP_KEY = b"XML:com.adobe.xmp"
_TEXTS = frozenset((b"tEXt", b"zTXt", b"iTXt"))
_CICP, _MASTERING, _LIGHT, _TIME = b"cICP", b"mDCV", b"cLLI", b"tIME"
_ELSEWHERE_OF = {_CICP: 4, _MASTERING: 24, _LIGHT: 8}
"""Chunks that are stored under other keys of `Picture.info`, with their length."""
_SPACES = frozenset((b"gAMA", b"cHRM", b"sRGB"))
_KEPT = _TEXTS | _SPACES | {_TIME} | set(_ELSEWHERE_OF)
_ELSEWHERE = (_XMP_KEY, b"Raw profile type exif", b"Raw profile type APP1")
"""Keywords of texts whose content is stored under other keys of `Picture.info`."""
_LINEAR_GAMMA = 100_000
_OF_SRGB = frozenset(
    (
        (b"gAMA", struct.pack(">I", 45455)),
        (b"gAMA", struct.pack(">I", _LINEAR_GAMMA)),
        (b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)),
    )
)
"""Chunks that state sRGB, or its primaries with linear values."""
_FULL_RANGE_RGB = bytes((0, 1))
"""The last two code points of RGB pixels: no matrix, full range."""


def kept_chunks(stream: BinaryIO) -> tuple[tuple[bytes, bytes], ...]:
    """Read the chunks to be kept. Restores the position of the stream."""
    place = stream.tell()
    found = ((name, stream.read(length)) for name, length in chunks(stream) if name in _KEPT)
    kept = tuple(chunk for chunk in found if not _is_elsewhere(*chunk))
    stream.seek(place)
    return kept


def _is_elsewhere(name: bytes, body: bytes) -> bool:
    return name in _TEXTS and body.split(b"\0", 1)[0] in _ELSEWHERE


def stated(chunks: tuple[tuple[bytes, bytes], ...]) -> dict[str, Any]:
    """Return entries of `Picture.info` for the kept chunks. Damaged chunks are left out."""
    said = {name: body for name, body in chunks if len(body) == _ELSEWHERE_OF.get(name)}
    points = said.get(_CICP)
    full = points is not None and points[2:] == _FULL_RANGE_RGB
    moved = set(_ELSEWHERE_OF) if full else set(_ELSEWHERE_OF) - {_CICP}
    kept = tuple(part for part in chunks if part[0] not in moved)
    return {
        CHUNKS: kept or None,
        CICP: CodePoints(points[0], points[1]) if points is not None and full else None,
        MASTERING: said.get(_MASTERING),
        LIGHT: said.get(_LIGHT),
        LINEAR: _is_linear(dict(chunks), points),
    }


def _is_linear(said: dict[bytes, bytes], points: bytes | None) -> bool | None:
    """Whether gamma or code points state linear values; None if no chunk states either."""
    if points is not None:
        return points[1] == LINEAR_TRANSFER
    if len(said.get(b"gAMA", b"")) == 4 and b"sRGB" not in said:
        return bool(struct.unpack(">I", said[b"gAMA"])[0] == _LINEAR_GAMMA)
    return None


def private(info: dict[str, Any]) -> Iterator[str]:
    """Name the parts of a ``Picture.info`` that only PNG can keep."""
    if any(name in _TEXTS for name, _ in info.get(CHUNKS, ())):
        yield "the texts of a PNG"
    if any(name == _TIME for name, _ in info.get(CHUNKS, ())):
        yield "the time of a PNG's last change"
    if _has_own_colours(info):
        yield "a PNG's gamma and primaries: colours may change"


def _has_own_colours(info: dict[str, Any]) -> bool:
    """Whether only chunks state the colour space, and it is not one that other formats assume."""
    chunks = info.get(CHUNKS, ())
    if info.get(ICC) or info.get(CICP) or b"sRGB" in dict(chunks):
        return False
    return any(chunk not in _OF_SRGB for chunk in chunks if chunk[0] in _SPACES)


def described(info: dict[str, Any]) -> Iterator[tuple[bytes, bytes]]:
    """Yield the chunks for a `Picture.info` (PNG specification, third edition, 11.3)."""
    if points := info.get(CICP):
        yield _CICP, bytes((points.primaries, points.transfer)) + _FULL_RANGE_RGB
    for name, key in ((_MASTERING, MASTERING), (_LIGHT, LIGHT)):
        if body := info.get(key):
            yield name, body
    if profile := info.get(ICC):
        yield b"iCCP", b"icc\0\0" + zlib.compress(profile)
    elif info.get(LINEAR) and not info.get(CHUNKS) and not info.get(CICP):
        yield b"gAMA", struct.pack(">I", _LINEAR_GAMMA)
    yield from info.get(CHUNKS, ())
    if dpi := info.get(DPI):
        yield b"pHYs", struct.pack(">IIB", *(round(v / 0.0254) for v in dpi), 1)
    if exif := info.get(EXIF):
        yield b"eXIf", exif.removeprefix(b"Exif\0\0")
    if packet := info.get(XMP):
        yield b"iTXt", _XMP_KEY + b"\0\0\0\0\0" + packet
