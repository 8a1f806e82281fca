"""Writing of JPEG XL."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from restore.media import assembly
from restore.media.code_points import LINEAR as LINEAR_TRANSFER
from restore.media.code_points import SRGB, CodePoints, profile
from restore.media.colour import is_of_grey
from restore.media.formats.heif_parts import RATE
from restore.media.formats.jpegxl.code_stream_colour import (
    BT2020,
    PEAKS,
    can_convert,
    stated_colour,
    to_linear_srgb,
)
from restore.media.formats.jpegxl.code_stream_header import PEAK, Depth
from restore.media.formats.jpegxl.container import Container, read_container
from restore.media.formats.jpegxl.header_edit import rewritten
from restore.media.formats.jpegxl.properties import GAIN_MAP, NAME, PEAK_OF_FILE
from restore.media.formats.matched_quality import matched_quality
from restore.media.picture import BITS, CICP, DEPTHS, EXIF, FULL, ICC, LOSSLESS, XMP, Picture

_QUALITY = 90
_MOST_LOSSY = 99
"""At 100, imagecodecs calls values exact that are not."""
_EFFORT = 5
"""Of libjxl, 1 to 9. 12 megapixels take 4 s on 2 cores, or 14 s without loss."""


def encode(picture: Picture) -> bytes:
    """Encode exactly what was read exactly, unless the user has chosen a quality; else at that
    quality, or that of a JPEG XL that was read. Alpha is always exact."""
    points, icc = _stated(picture)
    peak = picture.info.get(PEAK_OF_FILE) or PEAKS.get(points.transfer, PEAK)
    lossy = _is_lossy(picture, points, icc)
    content = _lossy(picture, points, icc, peak) if lossy else _exact(picture)
    made = read_container(content)
    stream = rewritten(
        made.code_stream,
        colour=None if icc else stated_colour(points),
        profile=icc,
        depth=_depth(picture),
        peak=peak,
    )
    exif, xmp, gain_map = (picture.info.get(key, b"") for key in (EXIF, XMP, GAIN_MAP))
    block = exif.removeprefix(b"Exif\0\0")
    return Container(stream, made.level, block, xmp, gain_map).written()


def _stated(picture: Picture) -> tuple[CodePoints, bytes]:
    """Return the colour to be stated: code points, or a profile, which replaces them."""
    info = picture.info
    points: CodePoints | None = info.get(CICP)
    if points is not None and points.is_hdr:
        return points, b""
    if (icc := info.get(ICC)) and _fits(picture, icc):
        return CodePoints(1, SRGB), icc
    transfer = LINEAR_TRANSFER if picture.is_linear and not icc else SRGB
    if points is None:
        return CodePoints(1, transfer), b""
    if picture.is_linear:
        points = points._replace(transfer=LINEAR_TRANSFER)
    if picture.pixels.ndim == 2:
        points = points._replace(primaries=1)
    if stated_colour(points) is None:
        return CodePoints(1, transfer), profile(points) or b""
    return points, b""


def _fits(picture: Picture, icc: bytes) -> bool:
    """Whether a profile is for grey or colours, as the picture is."""
    return is_of_grey(icc) == (picture.pixels.ndim == 2)


def _is_lossy(picture: Picture, points: CodePoints, icc: bytes) -> bool:
    info = picture.info
    if icc and not can_convert(icc):
        return False
    if points.is_hdr and points.primaries != BT2020:
        return False
    return "quality" in info or not info.get(LOSSLESS, True)


def _depth(picture: Picture) -> Depth:
    dtype = picture.pixels.dtype
    if dtype == DEPTHS["32f"]:
        return Depth(32, 8)
    return Depth(8 if dtype == DEPTHS["8"] else picture.info.get(BITS, 16))


def _exact(picture: Picture) -> bytes:
    data, bits = assembly.stacked(picture), _depth(picture).bits
    if data.dtype == DEPTHS["16"] and bits < 16:
        data = np.rint(data * (((1 << bits) - 1) / FULL[data.dtype])).astype(np.uint16)
    floats = data.dtype == DEPTHS["32f"]
    return _coded(data, lossless=True, bitspersample=None if floats else bits)


def _lossy(picture: Picture, points: CodePoints, icc: bytes, peak: float) -> bytes:
    data = assembly.stacked(picture)
    if data.dtype != DEPTHS["8"] or icc or not points.is_srgb:
        data = _light(picture, points, icc, peak)
    quality = picture.info.get("quality")
    if quality is None:
        quality = _QUALITY
        if picture.info.get(RATE, ("",))[0] == NAME:
            quality = matched_quality(data, picture.info[RATE][1], _size_of)
    return _coded(data, level=min(quality, _MOST_LOSSY))


def _light(picture: Picture, points: CodePoints, icc: bytes, peak: float) -> np.ndarray:
    """Return floats in the linear light of sRGB, with alpha."""
    full = np.float32(FULL[picture.pixels.dtype])
    values = np.nan_to_num(picture.pixels.astype(np.float32) / full)
    linear = to_linear_srgb(values, points, icc, peak)
    if picture.alpha is None:
        return linear
    return np.dstack((linear, picture.alpha.astype(np.float32) / full))


def _coded(data: np.ndarray, **options: Any) -> bytes:
    import imagecodecs

    threads = os.cpu_count() or 1
    data = np.ascontiguousarray(data)
    return bytes(imagecodecs.jpegxl_encode(data, effort=_EFFORT, numthreads=threads, **options))


def _size_of(pixels: np.ndarray, quality: int) -> int:
    return len(_coded(pixels, level=min(quality, _MOST_LOSSY)))


def lost(picture: Picture) -> Iterator[str]:
    info = picture.info
    points: CodePoints | None = info.get(CICP)
    icc = info.get(ICC)
    if icc and not _fits(picture, icc):
        of = "grey" if picture.pixels.ndim == 2 else "RGB"
        yield f"{NAME} cannot store a colour profile that is not of {of} images"
    if points is not None and not icc and not (stated_colour(points) or profile(points)):
        yield f"{NAME} cannot store the colour space (code points {points})"


def private(info: dict[str, Any]) -> Iterator[str]:
    if GAIN_MAP in info:
        yield "the gain map of HDR"
    if PEAK_OF_FILE in info:
        yield "the peak brightness of HDR"
