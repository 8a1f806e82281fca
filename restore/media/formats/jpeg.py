"""JPEG: 8 bits, by Pillow, written with the input's quality and subsampling.

`jpeg_deep` reads JPEG of 12 bits and lossless JPEG.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

from PIL import ImageFile

from restore.media import assembly, iptc, metadata
from restore.media.formats import pillow_helpers
from restore.media.formats.format import NO_ALPHA, Format, check_size
from restore.media.formats.jpeg_deep import Frame, frame_of, pixels_of, stand_in
from restore.media.picture import CALLED, DPI, EXIF, ICC, IPTC, XMP, Picture

_NAME = "JPEG"
_QUALITY = 95
"""Used if neither the input nor the user states one."""
_SEGMENT = 65502
"""Bytes of EXIF or XMP that fit into the one segment available."""


def recognises(head: bytes) -> bool:
    return head.startswith(b"\xff\xd8\xff")


def decode(stream: BinaryIO, max_pixels: int) -> Picture:
    """Decode the first image. Pillow calls a JPEG followed by further images, as many phones write
    it, MPO."""
    frame = frame_of(stream)
    if frame is not None and frame.is_deep:
        check_size(frame.height, frame.width, max_pixels)
        return _decode_deep(stream, frame)
    with pillow_helpers.identified(stream, _NAME) as file:
        check_size(file.height, file.width, max_pixels)
        return pillow_helpers.decode(file, _compression(file) | _captions(file), notes=())


def _decode_deep(stream: BinaryIO, frame: Frame) -> Picture:
    data = pixels_of(stream, frame)
    with pillow_helpers.identified(stand_in(stream), _NAME) as file:
        file.load()
        kept, turn, notes = pillow_helpers.carried(file)
        own = {ICC: file.info.get(ICC), DPI: metadata.resolution(file.info.get(DPI))}
        info = own | {"comment": file.info.get("comment")} | _captions(file) | kept
    return assembly.picture(assembly.upright(data, turn), info, notes)


def size(stream: BinaryIO, max_pixels: int) -> tuple[int, int]:
    frame = frame_of(stream)
    if frame is None or not frame.is_deep:
        return pillow_helpers.sizer(_NAME)(stream, max_pixels)
    with pillow_helpers.identified(stand_in(stream), _NAME) as file:
        file.load()
        _, turn, _ = pillow_helpers.carried(file)
    return metadata.turned(frame.height, frame.width, turn)


def _captions(file: ImageFile.ImageFile) -> dict[str, Any]:
    return {IPTC: iptc.of_resources(file.info.get("photoshop"))}


def _compression(file: ImageFile.ImageFile) -> dict[str, Any]:
    from PIL.JpegImagePlugin import get_sampling

    sampling = get_sampling(file)
    tables: dict[int, Any] = getattr(file, "quantization", {})
    return {
        "jpeg_tables": [tables[i] for i in sorted(tables)][:2] or None,
        "jpeg_sampling": None if sampling < 0 else sampling,
        "comment": file.info.get("comment"),
    }


def encode(picture: Picture) -> bytes:
    """Encode with the input's quantisation tables and subsampling, unless the user has chosen a
    quality."""
    info = picture.info
    too_long = {key for key in (EXIF, XMP) if len(info.get(key, b"")) > _SEGMENT}
    options: dict[str, Any] = {"comment": info["comment"]} if "comment" in info else {}
    if iptc.fits_jpeg(info.get(IPTC, b"")):
        options["extra"] = iptc.jpeg_segment(info[IPTC]) if IPTC in info else b""
    sampling, quality = info.get("jpeg_sampling"), info.get("quality")
    options["subsampling"] = 0 if sampling is None else sampling
    if quality is None and "jpeg_tables" in info:
        options["qtables"] = info["jpeg_tables"]
    else:
        options["quality"] = _QUALITY if quality is None else quality
    return pillow_helpers.encode(picture, _NAME, {ICC, EXIF, XMP, DPI} - too_long, **options)


def lost(picture: Picture) -> Iterator[str]:
    for key in (EXIF, XMP):
        if len(picture.info.get(key, b"")) > _SEGMENT:
            yield f"the {CALLED[key]} is too long for JPEG and is not kept"
    if not iptc.fits_jpeg(picture.info.get(IPTC, b"")):
        yield "IPTC's captions are too long for JPEG and are not kept"


JPEG = Format(
    _NAME,
    (".jpg", ".jpeg"),
    recognises,
    decode,
    encode,
    size=size,
    aliases=(".jpe", ".jfif", ".mpo"),
    alpha=NO_ALPHA,
    keeps=(ICC, EXIF, XMP, DPI, IPTC),
    longest=65500,
    lossy=True,
    lost=lost,
)
