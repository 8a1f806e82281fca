"""HEIC and HEIF, by pillow-heif (an extra): 8, 10 and 12 bits.

`heif_parts` reads and writes everything besides pixels.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import partial
from typing import Any, BinaryIO

import numpy as np

from restore.media import assembly, metadata
from restore.media.code_points import LINEAR as LINEAR_TRANSFER
from restore.media.code_points import SRGB, CodePoints
from restore.media.colour import rgb
from restore.media.formats import heif_items
from restore.media.formats.extras import library_of
from restore.media.formats.format import Format, check_size
from restore.media.formats.heif_parts import (
    PARTS,
    RATE,
    completed,
    described,
    own_parts,
    stated_size,
)
from restore.media.formats.matched_quality import matched_quality
from restore.media.picture import BITS, CICP, EXIF, ICC, LIGHT, LINEAR, MASTERING, XMP, Picture

_NAME, _EXTRA, _LIBRARY = "HEIF", "heic", "pillow_heif"
_KEEPS = (ICC, EXIF, XMP, CICP, MASTERING, LIGHT, LINEAR)
_BRANDS = frozenset((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"))
_QUALITY = 90
_LOSSLESS = -1
_SAMPLING = "heif_sampling"
_SAMPLINGS = ("420", "422", "444")
_FAST = {"preset": "fast", "tu-intra-depth": 1}
"""Of x265: 12 megapixels take seconds, and files grow by less than 5 %."""


def recognises(head: bytes) -> bool:
    """Whether a file is HEIF but not AVIF, which has the same container."""
    return head[4:8] == b"ftyp" and head[8:12] in _BRANDS and b"avif" not in head


def decode(stream: BinaryIO, max_pixels: int) -> Picture:
    """Read the first image, upright. 10 and 12 bits are scaled to 16."""
    file = _identified(stream, max_pixels)
    info: dict[str, Any] = {key: file.info.get(key) for key in (ICC, XMP)}
    info[XMP] = metadata.upright_xmp(info[XMP] or b"")
    stated, notes = described(assembly.peeked(stream), _NAME)
    info |= stated
    points: CodePoints | None = info.get(CICP)
    if points is not None and points.transfer == LINEAR_TRANSFER:
        info[LINEAR] = True
    bits, chroma = file.info.get("bit_depth", 8), str(file.info.get("chroma"))
    info |= {BITS: bits if bits > 8 else None, _SAMPLING: chroma if chroma in _SAMPLINGS else None}
    try:
        block = file.info.get(EXIF)
        info[EXIF] = metadata.kept(block) if block else None
    except metadata.ODDITIES:
        notes = (*notes, metadata.DAMAGED)
    return assembly.picture(_enlarged(np.asarray(file), bits), info, notes)


def _enlarged(pixels: np.ndarray, bits: int) -> np.ndarray:
    """Scale uint16 with its bits at the top to full range."""
    if pixels.dtype != np.uint16:
        return pixels
    return np.rint((pixels >> (16 - bits)) * (65535 / ((1 << bits) - 1))).astype(np.uint16)


def _reduced(pixels: np.ndarray, bits: int) -> np.ndarray:
    """Undo `_enlarged`, rounding to nearest."""
    if pixels.dtype != np.uint16:
        return pixels
    full = (1 << bits) - 1
    return np.rint(pixels * (full / 65535)).astype(np.uint16) << (16 - bits)


def _identified(stream: BinaryIO, max_pixels: int) -> Any:
    """Open a file. Raises `ImageError` for one that is too large, which libheif calls damaged."""
    library = library_of(_NAME, _EXTRA, _LIBRARY)
    stream.seek(0)
    check_size(*(stated_size(stream.read()) or (0, 0)), max_pixels)
    stream.seek(0)
    file = library.open_heif(stream, convert_hdr_to_8bit=False)
    check_size(file.size[1], file.size[0], max_pixels)
    return file


def size(stream: BinaryIO, max_pixels: int) -> tuple[int, int]:
    width, height = _identified(stream, max_pixels).size
    return int(height), int(width)


def encode(picture: Picture) -> bytes:
    """Encode at the quality that the user has chosen, else at that of a HEIC that was read. Alpha
    is stored exactly."""
    info = picture.info
    parts = own_parts(info, _NAME)
    options = _options(info)

    def prepared(channels: np.ndarray) -> np.ndarray:
        stored = parts.stored(channels) if parts else channels
        return np.ascontiguousarray(_reduced(stored, options[BITS]))

    pixels = prepared(rgb(picture.pixels))
    quality = info.get("quality")
    if quality is None and info.get(RATE, ("",))[0] == _NAME:
        quality = matched_quality(pixels, info[RATE][1], partial(_size_of, options=options))
    content = _coded(pixels, _QUALITY if quality is None else quality, options)
    alpha = None
    if picture.alpha is not None:
        alpha = _coded(prepared(picture.alpha), _LOSSLESS, {BITS: options[BITS]})
    return completed(content, alpha, picture, _NAME)


def _options(info: dict[str, Any]) -> dict[str, Any]:
    """Return arguments of pillow-heif's encoder for colours."""
    transfer = LINEAR_TRANSFER if info.get(LINEAR) and not info.get(ICC) else SRGB
    points: CodePoints = info.get(CICP) or CodePoints(1, transfer)
    matrix = points.matrix if points.matrix in (1, 5, 6, 9) else 6
    return {
        BITS: min(12, info.get(BITS, 12)),
        "color_primaries": points.primaries,
        "transfer_characteristics": points.transfer,
        "matrix_coefficients": matrix,
        "full_range_flag": 1,
        "chroma": info.get(_SAMPLING, "420"),
    }


def _coded(pixels: np.ndarray, quality: int, options: dict[str, Any]) -> bytes:
    """Encode H x W or H x W x 3, uint8 or uint16."""
    library = library_of(_NAME, _EXTRA, _LIBRARY)
    mode = ("RGB" if pixels.ndim == 3 else "L") + (";16" if pixels.dtype == np.uint16 else "")
    file = library.from_bytes(mode, pixels.shape[1::-1], np.ascontiguousarray(pixels).tobytes())
    rest = {key: value for key, value in options.items() if key != BITS}
    buffer = io.BytesIO()
    # A new dictionary: the library adds to it.
    choices = {"quality": quality, "bit_depth": options[BITS], "enc_params": dict(_FAST)}
    file.save(buffer, **choices, **rest)
    return buffer.getvalue()


def _size_of(pixels: np.ndarray, quality: int, *, options: dict[str, Any]) -> int:
    return len(heif_items.read(_coded(pixels, quality, options)).image.data)


def private(info: dict[str, Any]) -> Iterator[str]:
    parts = info.get(PARTS)
    yield from parts.names if parts is not None and parts.format == _NAME else ()


HEIF = Format(
    _NAME,
    (".heic", ".heif"),
    recognises,
    decode,
    encode,
    size=size,
    aliases=(".hif",),
    depths=("8", "16"),
    most_bits=12,
    grey=False,
    keeps=_KEEPS,
    lossy=True,
    private=private,
    extra=_EXTRA,
    library=_LIBRARY,
)
