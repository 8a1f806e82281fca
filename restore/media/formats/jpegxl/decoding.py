"""Reading of JPEG XL."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np

from restore.errors import ImageError
from restore.media import assembly, light, metadata
from restore.media.code_points import LINEAR as LINEAR_TRANSFER
from restore.media.formats.format import check_size
from restore.media.formats.heif_parts import RATE
from restore.media.formats.jpegxl.code_stream_colour import (
    PEAKS,
    can_convert,
    code_points,
    from_linear_srgb,
    icc_profile,
)
from restore.media.formats.jpegxl.code_stream_header import (
    ALPHA,
    GREY,
    PEAK,
    JxlHeader,
    read_header,
    upright_size,
)
from restore.media.formats.jpegxl.container import Container, read_container
from restore.media.formats.jpegxl.header_edit import in_linear_light
from restore.media.formats.jpegxl.properties import GAIN_MAP, NAME, PEAK_OF_FILE
from restore.media.picture import (
    BITS,
    CICP,
    DEPTHS,
    EXIF,
    FULL,
    ICC,
    LINEAR,
    LOSSLESS,
    XMP,
    Picture,
    only_first,
)

_BLACK = 4
_CHANNELS = {1: "depth", 2: "spot colour", 3: "a selection", 5: "sensor data", 6: "heat"}
"""Kinds of extra channels."""
_MOST_BITS = 16


def size(stream: BinaryIO, max_pixels: int) -> tuple[int, int]:
    stream.seek(0)
    return upright_size(read_container(stream.read()).code_stream)


def decode(stream: BinaryIO, max_pixels: int) -> Picture:
    """Read the first image, upright. Depths between 8 and 16 bits are scaled to 16."""
    check_size(*size(stream, max_pixels), max_pixels)
    stream.seek(0)
    file = read_container(stream.read())
    header = read_header(file.code_stream)
    _check_readable(header)
    info = _colour(header) | _carried(file, header)
    notes = tuple(_notes(file, header, info))
    try:
        info[EXIF] = metadata.kept(file.exif) if file.exif else None
    except metadata.ODDITIES:
        notes = (*notes, metadata.DAMAGED)
    return assembly.picture(_pixels(file.code_stream, header), info, notes)


def _check_readable(header: JxlHeader) -> None:
    if any(channel.kind == _BLACK for channel in header.channels):
        raise ImageError("holds CMYK; grey and RGB are supported in JPEG XL")
    if header.depth.bits > _MOST_BITS and not header.depth.exponent:
        bits = header.depth.bits
        raise ImageError(f"holds {bits} bits per channel; 1 to 16 and floats are supported")


def _colour(header: JxlHeader) -> dict[str, Any]:
    """Return the entries of `Picture.info` that state the colour."""
    if header.colour is None:
        usable = not header.xyb or can_convert(header.profile)
        return {ICC: header.profile if usable else None}
    points = code_points(header.colour)
    if points is None:
        return {ICC: icc_profile(header.colour)}
    linear = points.transfer == LINEAR_TRANSFER
    stated = points if not points.is_srgb else None
    usual = PEAKS.get(points.transfer, PEAK)
    peak = header.peak if points.is_hdr and header.peak != usual else None
    return {CICP: stated, LINEAR: linear, PEAK_OF_FILE: peak}


def _carried(file: Container, header: JxlHeader) -> dict[str, Any]:
    bits, coded = header.depth.bits, len(file.code_stream)
    height, width = header.size
    return {
        LOSSLESS: header.lossless,
        BITS: bits if 8 < bits < _MOST_BITS else None,
        RATE: None if header.lossless else (NAME, coded / (height * width)),
        XMP: metadata.upright_xmp(file.xmp),
        GAIN_MAP: file.gain_map if header.orientation == 1 else None,
    }


def _notes(file: Container, header: JxlHeader, info: dict[str, Any]) -> Iterator[str]:
    yield from file.notes
    if header.animated:
        yield only_first()
    others = [c.kind for c in header.channels if c.kind != ALPHA]
    if others:
        names = dict.fromkeys(_CHANNELS.get(kind, "unnamed") for kind in others)
        yield f"its extra channels ({', '.join(names)}) are not kept"
    if sum(channel.kind == ALPHA for channel in header.channels) > 1:
        yield "only its first alpha channel is kept"
    if file.gain_map and header.orientation != 1:
        yield "is stored turned: its gain map of HDR is not kept"
    if header.profile and ICC in info and not info[ICC]:
        yield "its colour profile cannot be applied: colours are sRGB"
    if header.colour and code_points(header.colour) is None and not info[ICC]:
        yield "its colour space is not kept"


def _pixels(content: bytes, header: JxlHeader) -> np.ndarray:
    """Decode to uint8, uint16 or float32, H x W or H x W x 2 to 4."""
    import imagecodecs

    if header.xyb and header.profile:
        content = in_linear_light(content, header)
    data = np.atleast_3d(imagecodecs.jpegxl_decode(content, index=0))
    colours = 1 if header.space == GREY else 3
    if data.shape[:2] != upright_size(content):  # grey with extra channels, each a plane
        data = np.moveaxis(data, 0, 2)[..., (0, *_alpha_planes(header))]
    data = data[..., : colours + (header.alpha is not None)]
    if header.xyb and header.profile:
        values = data[..., 0] if colours == 1 else data[..., :3]
        usable = can_convert(header.profile)
        shown = from_linear_srgb(values, header.profile) if usable else light.encode(values)
        data = np.concatenate((np.atleast_3d(shown), data[..., colours:]), axis=2)
    data = _at_depth(data, header)
    if header.alpha is not None and header.alpha.multiplied:
        data = assembly.without_multiplied_alpha(data)
    return data


def _alpha_planes(header: JxlHeader) -> tuple[int, ...]:
    """Return the number of the plane of alpha, if there is one, behind that of grey."""
    return tuple(1 + i for i, channel in enumerate(header.channels) if channel == header.alpha)[:1]


def _at_depth(data: np.ndarray, header: JxlHeader) -> np.ndarray:
    if header.depth.exponent:
        return data.astype(np.float32)
    depth = DEPTHS["8" if header.depth.bits <= 8 else "16"]
    full = 1.0 if data.dtype.kind == "f" else float((1 << header.depth.bits) - 1)
    if data.dtype == depth and full == FULL[depth]:
        return data
    return np.rint(np.clip(data / full, 0, 1) * FULL[depth]).astype(depth)
