"""Writing of JPEG by Pillow, with the input's quality, subsampling and progression."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from restore.media import assembly, photoshop
from restore.media.formats import pillow_helpers
from restore.media.formats.jpeg.decoding import NAME
from restore.media.formats.jpeg.embedded_parts import PARTS, JpegParts
from restore.media.formats.jpeg.rare_sampling import encode_rare
from restore.media.picture import CALLED, COMMENT, DPI, EXIF, ICC, IPTC, XMP, Picture

_QUALITY = 95
"""Used if neither the input nor the user states one."""
_SEGMENT = 65502
"""Bytes of EXIF or XMP that fit into the one segment available."""


def encode(picture: Picture) -> bytes:
    """Encode with the input's quantisation tables, subsampling and progression, unless the user has
    chosen a quality. Parts of the input are added around the image."""
    parts: JpegParts | None = picture.info.get(PARTS)
    if parts is None:
        return _encode(picture)
    turn = assembly.INVERSE.get(parts.orientation, parts.orientation)
    stored = replace(picture, pixels=assembly.upright(picture.pixels, turn))
    kept = {XMP: parts.xmp} if parts.xmp else {}
    kept |= {EXIF: parts.exif} if parts.exif else {}
    return parts.around(_encode(stored.with_info(**kept)))


def _encode(picture: Picture) -> bytes:
    info = picture.info
    too_long = {key for key in (EXIF, XMP) if len(info.get(key, b"")) > _SEGMENT}
    options: dict[str, Any] = {COMMENT: info[COMMENT]} if COMMENT in info else {}
    if photoshop.fits_jpeg(info.get(IPTC, b"")):
        options["extra"] = photoshop.jpeg_segment(info[IPTC]) if IPTC in info else b""
    sampling, quality = info.get("jpeg_sampling"), info.get("quality")
    options["subsampling"] = 0 if sampling is None else sampling
    options["progressive"] = info.get("jpeg_progressive", False)
    if quality is None and "jpeg_tables" in info:
        options["qtables"] = info["jpeg_tables"]
    else:
        options["quality"] = _QUALITY if quality is None else quality
    keeps = {ICC, EXIF, XMP, DPI} - too_long
    if isinstance(sampling, str) and picture.pixels.ndim == 3:
        return encode_rare(picture, keeps, options)
    if isinstance(sampling, str):
        del options["subsampling"]
    return pillow_helpers.encode(picture, NAME, keeps, **options)


def private(info: dict[str, Any]) -> Iterator[str]:
    parts: JpegParts | None = info.get(PARTS)
    yield from parts.names if parts else ()


def lost(picture: Picture) -> Iterator[str]:
    for key in (EXIF, XMP):
        if len(picture.info.get(key, b"")) > _SEGMENT:
            yield f"the {CALLED[key]} is too long for JPEG and is not kept"
    if not photoshop.fits_jpeg(picture.info.get(IPTC, b"")):
        yield "IPTC's captions are too long for JPEG and are not kept"
