"""Reading of TIFF: plain files by tifffile, the others by Pillow."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, BinaryIO

import numpy as np
from PIL import ImageFile

from restore.errors import ImageError
from restore.media import assembly, metadata, photoshop
from restore.media.colour import srgb_of_cmyk
from restore.media.formats import pillow_helpers
from restore.media.formats.format import check_size
from restore.media.formats.tiff.tags import XMP_TAG, read_exif
from restore.media.picture import DPI, ICC, IPTC, XMP, Picture, only_first
from restore.media.silence_stderr import silence_stderr

NAME = "TIFF"
MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
MAGIC_OF_PILLOW = (b"MM*\0", b"II\0*")
"""Invalid signatures that Pillow accepts."""
_INCHES = {2: 1.0, 3: 2.54}
"""Factor from the unit of resolution (inch, centimetre) to dots per inch."""
_KINDS = ("MINISBLACK", "MINISWHITE", "RGB", "SEPARATED")
_BITS_OF_PILLOW = (1, 2, 4)
"""Bits per pixel, below 8, that Pillow reads."""
_MOST_CHANNELS = 64
LARGEST_TILE = 1 << 26
"""Samples of a tile in images smaller than that; other tiles need not exceed their image."""


def is_of_tifffile(stream: BinaryIO) -> bool:
    stream.seek(0)
    return stream.read(4) in MAGIC


def size(stream: BinaryIO, max_pixels: int) -> tuple[int, int]:
    from tifffile import TiffFile

    if not is_of_tifffile(stream):
        return pillow_helpers.sizer(NAME)(stream, max_pixels)
    stream.seek(0)
    with TiffFile(stream) as file:
        page = file.pages.first
        return metadata.turned(page.imagelength, page.imagewidth, _orientation(page))


def decode(stream: BinaryIO, max_pixels: int) -> Picture:
    """Read the first page. Raises `ImageError` naming an unsupported kind of pixels."""
    return _decoded(stream, max_pixels).noting(*_of_photoshop(stream))


def _of_photoshop(stream: BinaryIO) -> Iterator[str]:
    """Yield notes on parts that only Photoshop reads."""
    from tifffile import TiffFile

    stream.seek(0)
    with suppress(*metadata.ODDITIES, RuntimeError), TiffFile(stream) as file:
        tags = file.pages.first.tags
        if photoshop.LAYERS_TAG in tags:
            yield "its layers of Photoshop are not kept"
        if (block := tags.get(photoshop.RESOURCES_TAG)) is not None:
            numbers = (number for number, _ in photoshop.listed(bytes(block.value)))
            yield from photoshop.lost(numbers)


def _decoded(stream: BinaryIO, max_pixels: int) -> Picture:
    if is_of_tifffile(stream):
        check_size(*size(stream, max_pixels), max_pixels)
        if not pillow_can(stream):
            return decode_by_tifffile(stream)
    with pillow_helpers.identified(stream, NAME) as file:
        check_size(file.height, file.width, max_pixels)
        return _decode_by_pillow(stream, file)


def _decode_by_pillow(stream: BinaryIO, file: ImageFile.ImageFile) -> Picture:
    captions = photoshop.of_tag(file.tag_v2.get(photoshop.TIFF_TAG))  # type: ignore[attr-defined]
    with silence_stderr():  # libtiff prints errors besides returning them
        return pillow_helpers.decode(
            file, {IPTC: captions}, exif_of=lambda: metadata.kept_of_tiff(stream)
        )


def _orientation(page: Any) -> int:
    tag = page.tags.get("Orientation")
    return int(tag.value) if tag is not None and tag.value in range(1, 9) else 1


def pillow_can(stream: BinaryIO) -> bool:
    """Whether Pillow reads the first page without loss and tifffile may not: 1, 2 or 4 bits, a
    palette, JPEG or fax compression."""
    from tifffile import EXTRASAMPLE, TiffFile

    stream.seek(0)
    with TiffFile(stream) as file:
        page = file.pages.first
        if page.bitspersample > 8 or EXTRASAMPLE.ASSOCALPHA in page.extrasamples:
            return False
        bits, few = page.bitspersample, page.samplesperpixel == 1
        readable = bits == 8 or bits not in _BITS_OF_PILLOW or not few
        plain = readable and _name(page.photometric) in _KINDS
        return not plain or _name(page.compression) in ("JPEG", "OJPEG")


def _pixels_of(page: Any) -> np.ndarray:
    """Decode H x W or H x W x channels, uint8, uint16 or float32."""
    from tifffile import PLANARCONFIG

    bits = page.bitspersample
    if page.samplesperpixel > _MOST_CHANNELS or page.imagedepth != 1:
        raise ImageError(f"holds {page.samplesperpixel} channels in {page.imagedepth} layers")
    tile = math.prod(page.tile) * page.samplesperpixel if page.is_tiled else 0
    if tile > max(LARGEST_TILE, math.prod(page.shape)):
        raise ImageError("a tile in it claims too many pixels; refused")
    data = page.asarray()
    if data.ndim == 3 and page.planarconfig == PLANARCONFIG.SEPARATE:
        data = np.moveaxis(data, 0, 2)
    if data.shape[:2] != (page.imagelength, page.imagewidth):
        raise ImageError(f"is damaged: its pixels have the shape {data.shape}")
    if data.dtype in (np.float16, np.float32, np.float64):
        return data.astype(np.float32)
    if data.dtype == np.bool_:
        return data.astype(np.uint8) * np.uint8(255)
    if data.dtype == np.uint8 and bits <= 8:
        return data if bits == 8 else np.rint(data * (255 / ((1 << bits) - 1))).astype(np.uint8)
    if data.dtype == np.uint16 and 8 < bits <= 16:
        full = (1 << bits) - 1
        return data if bits == 16 else np.rint(data * (65535 / full)).astype(np.uint16)
    raise ImageError(
        f"holds {data.dtype} pixels of {bits} bits; 1 to 16 bits and floats are supported"
    )


def decode_by_tifffile(
    stream: BinaryIO, pixels: Callable[[Any], np.ndarray] = _pixels_of
) -> Picture:
    """Read the first page; ``pixels`` returns the stored pixels of a page."""
    from tifffile import EXTRASAMPLE, TiffFile

    stream.seek(0)
    notes: list[str] = []
    with TiffFile(stream) as file:
        page = file.pages.first
        data, info = pixels(page), _info(page)
        if page.dtype == np.float64:
            notes.append("64 bits per channel become 32f")
        extras, turn, big = page.extrasamples, _orientation(page), file.is_bigtiff
        if len(file.pages) > 1:
            notes.append(only_first(len(file.pages)))
    data, inks = _coloured(_name(page.photometric), data, info, notes)
    alpha = _alpha(extras, 0 if data.ndim == 2 else data.shape[2] - inks)
    # Scanners store channels other than alpha, such as infrared.
    if data.ndim == 3 and data.shape[2] > inks + (alpha is not None):
        notes.append(f"holds {data.shape[2] - inks} more channels, which are not kept")
        data = data[..., :inks]
    if alpha == EXTRASAMPLE.ASSOCALPHA:
        data = assembly.without_multiplied_alpha(data)
        notes.append("its premultiplied colours were divided by their alpha")
    if big:
        notes.append("is a BigTIFF; its EXIF is not kept")
    else:
        notes += read_exif(stream, info)
    return assembly.picture(assembly.upright(data, turn), info, tuple(notes))


def _name(value: Any) -> str:
    """Return the name of an enumerated value of TIFF, or its number if it is undefined."""
    return getattr(value, "name", str(value))


def _alpha(extras: tuple[int, ...], count: int) -> int | None:
    """Return the kind of alpha in the first of ``count`` extra channels; None if it is not alpha.

    A single extra channel is alpha even if the file does not state it, as OpenCV writes it.
    """
    from tifffile import EXTRASAMPLE

    stated = extras[0] if extras else EXTRASAMPLE.UNSPECIFIED
    unknown = stated == EXTRASAMPLE.UNSPECIFIED and count != 1
    return None if count == 0 or unknown else stated


def _info(page: Any) -> dict[str, Any]:
    packet, captions = page.tags.get(XMP_TAG), page.tags.get(photoshop.TIFF_TAG)
    xmp = bytes(packet.value) if packet is not None else b""
    return {
        ICC: page.iccprofile,
        XMP: metadata.upright_xmp(xmp),
        DPI: metadata.resolution(_resolution(page)),
        IPTC: photoshop.of_tag(None if captions is None else captions.value),
    }


def _resolution(page: Any) -> tuple[float, ...] | None:
    tags = [page.tags.get(name) for name in ("XResolution", "YResolution")]
    if None in tags:
        return None
    unit = page.tags.get("ResolutionUnit")
    inches = _INCHES.get(2 if unit is None else int(unit.value))
    if inches is None:  # without a unit, the values state the pixel aspect only
        return None
    return tuple(inches * tag.value[0] / tag.value[1] for tag in tags if tag.value[1])


def _coloured(
    kind: str, data: np.ndarray, info: dict[str, Any], notes: list[str]
) -> tuple[np.ndarray, int]:
    """Convert pixels of the photometric interpretation ``kind`` to grey or RGB. Returns them with
    their number of channels without extra channels."""
    if kind in ("MINISBLACK", "MINISWHITE"):
        if kind == "MINISWHITE":
            white = 1 if data.dtype == np.float32 else np.iinfo(data.dtype).max
            grey = data if data.ndim == 2 else data[..., 0]
            np.subtract(white, grey, out=grey)
        return data, 1
    if kind == "RGB":
        return data, 3
    if kind == "SEPARATED" and data.dtype.kind == "u" and data.shape[2] >= 4:
        data, info[ICC], note = srgb_of_cmyk(np.ascontiguousarray(data[..., :4]), info[ICC])
        notes.append(note)
        return data, 3
    raise ImageError(f"holds {kind} pixels of {data.dtype}; grey, RGB and CMYK are supported")
