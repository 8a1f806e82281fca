"""AVIF: 8, 10 and 12 bits, written in the input's depth, subsampling and colour space.

8 bits are read by Pillow, more by imagecodecs, which writes all. `heif_parts` reads and writes the
rest of the file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from typing import Any, BinaryIO

import numpy as np
from PIL import ImageFile

from restore.errors import ImageError
from restore.media import assembly
from restore.media.code_points import LINEAR as LINEAR_TRANSFER
from restore.media.code_points import SRGB, UNSPECIFIED, CodePoints
from restore.media.formats import heif_items, pillow_helpers
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

_NAME = "AVIF"
_KEEPS = (ICC, EXIF, XMP, CICP, MASTERING, LIGHT, LINEAR)
_QUALITY, _EXACT = 90, 100
_SPEED = 7
"""Of libavif, 0 to 10. 12 megapixels take a few seconds."""
_HEAD = 1 << 16
_MOST_PIXELS = 1 << 28
_CONFIGURATION = b"av1C"
_HIGH, _TWELVE, _GREY, _HALF_WIDTH, _HALF_HEIGHT = 0x40, 0x20, 0x10, 0x08, 0x04
_SHARED_BRANDS = (b"mif1", b"msf1")
"""Major brands that HEIF and AVIF share."""
_SAMPLING = "avif_sampling"
_RGB = 0
"""The matrix of RGB that is not converted to YCbCr."""
_MATRICES = (_RGB, 1, 5, 6, 8, 9)
"""Matrices that libavif writes."""


def recognises(head: bytes) -> bool:
    brand = head[8:12]
    shared = brand in _SHARED_BRANDS and b"avif" in head
    return head[4:8] == b"ftyp" and (brand in (b"avif", b"avis") or shared)


def decode(stream: BinaryIO, max_pixels: int) -> Picture:
    with _identified(stream, max_pixels) as file:
        flags = _flags(stream)
        bits = _bits(flags)
        info, notes = described(assembly.peeked(stream), _NAME)
        points: CodePoints | None = info.get(CICP)
        info |= {BITS: bits if bits > 8 else None, _SAMPLING: _sampling(flags)}
        if points is not None and points.transfer == LINEAR_TRANSFER:
            info[LINEAR] = True
        read = _decode_deep if bits > 8 else _decode
        picture = read(stream, file, info).noting(*notes)
    if flags & _GREY and picture.pixels.ndim == 3:  # Pillow has no grey with alpha
        return picture.with_pixels(np.ascontiguousarray(picture.pixels[..., 0]))
    return picture


def _identified(stream: BinaryIO, max_pixels: int) -> ImageFile.ImageFile:
    """Open a file. Raises `ImageError` for one that is too large, which libavif calls damaged."""
    stream.seek(0)
    height, width = stated_size(stream.read()) or (0, 0)
    check_size(height, width, max_pixels)
    if height * width > _MOST_PIXELS:
        raise ImageError(f"has {height * width:,} pixels; libavif decodes at most {_MOST_PIXELS:,}")
    file = pillow_helpers.identified(stream, _NAME)
    check_size(file.height, file.width, max_pixels)
    return file


def size(stream: BinaryIO, max_pixels: int) -> tuple[int, int]:
    with _identified(stream, max_pixels) as file:
        return pillow_helpers.size(file)


def _flags(stream: BinaryIO) -> int:
    """Read the flags of the codec configuration (AV1-ISOBMFF 2.3.3)."""
    _, found, body = assembly.peeked(stream, _HEAD).partition(_CONFIGURATION)
    return body[2] if found and len(body) > 2 else 0


def _bits(flags: int) -> int:
    """Return bits per channel: 8, 10 or 12."""
    if not flags & _HIGH:
        return 8
    return 12 if flags & _TWELVE else 10


def _sampling(flags: int) -> str:
    if not flags & _HALF_WIDTH or flags & _GREY:
        return "444"
    return "420" if flags & _HALF_HEIGHT else "422"


def _decode(stream: BinaryIO, file: ImageFile.ImageFile, info: dict[str, Any]) -> Picture:
    return pillow_helpers.decode(file, info)


def _decode_deep(stream: BinaryIO, file: ImageFile.ImageFile, info: dict[str, Any]) -> Picture:
    """Decode to 16 bits."""
    import imagecodecs

    full = (1 << info[BITS]) - 1
    file.load()
    kept, turn, lost = pillow_helpers.carried(file)
    stream.seek(0)
    stored = imagecodecs.avif_decode(stream.read(), index=0)
    data = np.rint(np.minimum(stored, full) * (65535 / full)).astype(np.uint16)
    info = {ICC: file.info.get(ICC)} | info | kept
    notes = (*pillow_helpers.frames(file), *lost)
    return assembly.picture(assembly.upright(data, turn), info, notes)


def encode(picture: Picture) -> bytes:
    """Encode at the quality that the user has chosen, else at that of an AVIF that was read. Alpha
    is stored exactly."""
    info = picture.info
    parts = own_parts(info, _NAME)
    pixels, alpha = (
        None if p is None else np.ascontiguousarray(parts.stored(p) if parts else p)
        for p in (picture.pixels, picture.alpha)
    )
    assert pixels is not None
    bits = min(12, info.get(BITS, 12)) if pixels.dtype == np.uint16 else 8
    options = _options(info, pixels.ndim == 2, bits)
    colours = partial(_coded, _reduced(pixels, bits), options=options)
    quality = info.get("quality")
    if quality is None and info.get(RATE, ("",))[0] == _NAME:
        size_of = partial(_size_of, options=options)
        quality = matched_quality(_reduced(pixels, bits), info[RATE][1], size_of)
    content = colours(_QUALITY if quality is None else quality)
    transparent = None
    if alpha is not None:
        exact = _options({}, True, bits)
        transparent = _coded(_reduced(alpha, bits), _EXACT, options=exact)
    return completed(content, transparent, picture, _NAME)


def _options(info: dict[str, Any], grey: bool, bits: int) -> dict[str, Any]:
    """Return arguments of imagecodecs' encoder."""
    unstated = (UNSPECIFIED, UNSPECIFIED) if info.get(ICC) else (1, SRGB)
    if info.get(LINEAR) and not info.get(ICC):
        unstated = (1, LINEAR_TRANSFER)
    points: CodePoints = info.get(CICP) or CodePoints(*unstated)
    sampling = "400" if grey else info.get(_SAMPLING, "444")
    matrix = points.matrix if points.matrix in _MATRICES else 6
    if matrix == _RGB and sampling != "444":
        matrix = 6
    return {
        "pixelformat": sampling,
        "bitspersample": bits,
        "primaries": points.primaries,
        "transfer": points.transfer,
        "matrix": matrix,
        "speed": _SPEED,
        "numthreads": os.cpu_count() or 1,
    }


def _reduced(pixels: np.ndarray, bits: int) -> np.ndarray:
    """Scale 16 bits to fewer."""
    if bits == 8:
        return pixels
    full = (1 << bits) - 1
    return np.rint(pixels * (full / 65535)).astype(np.uint16)


def _coded(pixels: np.ndarray, quality: int, *, options: dict[str, Any]) -> bytes:
    import imagecodecs

    return bytes(imagecodecs.avif_encode(pixels, quality, **options))


def _size_of(pixels: np.ndarray, quality: int, *, options: dict[str, Any]) -> int:
    return len(heif_items.read(_coded(pixels, quality, options=options)).image.data)


def private(info: dict[str, Any]) -> Iterator[str]:
    parts = info.get(PARTS)
    yield from parts.names if parts is not None and parts.format == _NAME else ()


AVIF = Format(
    _NAME,
    (".avif",),
    recognises,
    decode,
    encode,
    size=size,
    depths=("8", "16"),
    most_bits=12,
    keeps=_KEEPS,
    longest=65535,
    lossy=True,
    private=private,
)
