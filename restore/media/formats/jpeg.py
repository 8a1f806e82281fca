"""JPEG: 8 bits, by Pillow, written with the input's quality, subsampling and progression.

`jpeg_deep` reads JPEG of 12 bits and lossless JPEG. `jpeg_parts` keeps gain maps and other parts.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any, BinaryIO

from PIL import ExifTags, ImageFile

from restore.media import assembly, metadata, photoshop, xmp
from restore.media.formats import jpeg_parts, pillow_helpers
from restore.media.formats.format import NO_ALPHA, Format, check_size
from restore.media.formats.jpeg_deep import Frame, frame_of, pixels_of, stand_in
from restore.media.formats.jpeg_parts import PARTS, JpegParts
from restore.media.formats.jpeg_sampling import encode_rare, rare_sampling
from restore.media.picture import CALLED, COMMENT, DPI, EXIF, ICC, IPTC, XMP, Picture

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
        return _with_parts(
            stream,
            file,
            pillow_helpers.decode(file, _compression(file) | _captions(file), notes=_lost_of(file)),
        )


def _with_parts(stream: BinaryIO, file: ImageFile.ImageFile, picture: Picture) -> Picture:
    """Add the parts of the file besides its image, and remove their announcement from XMP, which
    other formats store."""
    packet = file.info.get("xmp") or b""
    try:
        orientation = metadata.orientation_of(file.getexif())
        parts, notes = jpeg_parts.read(stream, packet, file.info.get(EXIF), orientation)
    except metadata.ODDITIES:  # of EXIF, which is noted
        return picture
    cleaned = xmp.without_parts(picture.info.get(XMP, b""))
    info = {XMP: cleaned} if cleaned else {}
    return picture.with_info(**info, **{PARTS: parts} if parts else {}).noting(*notes)


def _decode_deep(stream: BinaryIO, frame: Frame) -> Picture:
    data = pixels_of(stream, frame)
    with pillow_helpers.identified(stand_in(stream), _NAME) as file:
        file.load()
        kept, turn, notes = pillow_helpers.carried(file)
        own = {ICC: file.info.get(ICC), DPI: metadata.resolution(file.info.get(DPI))}
        info = own | {COMMENT: file.info.get(COMMENT)} | _captions(file) | kept
        notes = (*notes, *_lost_of(file))
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
    return {IPTC: photoshop.of_resources(file.info.get("photoshop"))}


def _lost_of(file: ImageFile.ImageFile) -> tuple[str, ...]:
    return photoshop.lost(file.info.get("photoshop") or {})


def _compression(file: ImageFile.ImageFile) -> dict[str, Any]:
    from PIL.JpegImagePlugin import get_sampling

    sampling = get_sampling(file)
    tables: dict[int, Any] = getattr(file, "quantization", {})
    unstated = {} if _states_resolution(file) else {DPI: None}
    return unstated | {
        "jpeg_tables": [tables[i] for i in sorted(tables)][:2] or None,
        "jpeg_sampling": rare_sampling(file) if sampling < 0 else sampling,
        "jpeg_progressive": bool(file.info.get("progressive")) or None,
        COMMENT: file.info.get(COMMENT),
    }


def _states_resolution(file: ImageFile.ImageFile) -> bool:
    """Return whether a file has a resolution. Pillow reports 72 dots per inch for EXIF without
    one."""
    if file.info.get("jfif_unit"):
        return True
    with suppress(*metadata.ODDITIES):
        return ExifTags.Base.XResolution in file.getexif()
    return False


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
    return pillow_helpers.encode(picture, _NAME, keeps, **options)


def private(info: dict[str, Any]) -> Iterator[str]:
    parts: JpegParts | None = info.get(PARTS)
    yield from parts.names if parts else ()


def lost(picture: Picture) -> Iterator[str]:
    for key in (EXIF, XMP):
        if len(picture.info.get(key, b"")) > _SEGMENT:
            yield f"the {CALLED[key]} is too long for JPEG and is not kept"
    if not photoshop.fits_jpeg(picture.info.get(IPTC, b"")):
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
    keeps=(ICC, EXIF, XMP, DPI, IPTC, COMMENT),
    longest=65500,
    lossy=True,
    lost=lost,
    private=private,
)
