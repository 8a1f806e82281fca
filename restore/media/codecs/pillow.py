"""What Pillow does: every format of 8 bits a channel."""

from __future__ import annotations

import io
from contextlib import nullcontext
from itertools import product
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, ImageFile

from restore.errors import ImageError
from restore.media import iptc, metadata
from restore.media.codecs import assemble
from restore.media.codecs.quiet import quiet
from restore.media.colour import srgb_of_cmyk
from restore.media.formats import AVIF, DPI, EXIF, ICC, JPEG, WEBP, XMP, Format
from restore.media.picture import Picture

HIGH_QUALITY = 95
"""Of JPEG and WebP, where neither the source nor the user says."""
AVIF_QUALITY = 90
JPEG_SEGMENT = 65502
"""Bytes of EXIF or XMP that fit into the one segment there is for them."""
_BLOCK = 1 << 24
"""Pixels that are converted together; Pillow refuses to cut out some ten times as many."""

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes each orientation upright."""


def decode(file: ImageFile.ImageFile, info: dict[str, Any]) -> Picture:
    """The first picture of an opened file, with ``info`` on top of what it carries."""
    notes = frames(file)
    profile, mode = file.info.get(ICC), file.mode
    own: dict[str, Any] = {ICC: profile, DPI: metadata.resolution(file.info.get(DPI))}
    if file.format in ("JPEG", "MPO"):
        own |= _compression_of_jpeg(file)
    with quiet() if file.format == "TIFF" else nullcontext():
        file.load()
    kept, turn, lost = carried(file)
    notes, own = (*notes, *lost), own | kept | info
    image = file.transpose(_TURNS[turn]) if turn in _TURNS else file
    if mode == "CMYK":
        data, own[ICC], note = srgb_of_cmyk(np.asarray(image), profile)
        return assemble.picture(data, own, (*notes, note))
    has_alpha = mode in ("LA", "PA", "RGBA", "RGBa", "La") or "transparency" in image.info
    if mode in ("L", "LA", "La", "1", "I;16"):
        wanted = "LA" if has_alpha else "L"
    elif mode in ("P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "YCbCr"):
        wanted = "RGBA" if has_alpha else "RGB"
    else:
        raise ImageError(f"holds {mode} pixels; grey, RGB and CMYK are known")
    return assemble.picture(_array(image, wanted), own, notes)


def _array(image: Image.Image, mode: str) -> np.ndarray:
    """A picture in another mode, a part at a time: Pillow would hold large ones three times."""
    width, height = image.size
    channels = len(mode)
    data = np.empty((height, width, channels) if channels > 1 else (height, width), np.uint8)
    high, wide = max(1, _BLOCK // width), min(width, _BLOCK)
    for top, left in product(range(0, height, high), range(0, width, wide)):
        bottom, right = min(top + high, height), min(left + wide, width)
        part = image.crop((left, top, right, bottom)).convert(mode)
        data[top:bottom, left:right] = np.asarray(part)
    return data


def frames(file: ImageFile.ImageFile) -> tuple[str, ...]:
    """A note where the file holds more than one picture."""
    count = 1 if file.format == "MPO" else getattr(file, "n_frames", 1)
    return (f"holds {count} pictures; the first one is taken",) if count > 1 else ()


def carried(
    file: ImageFile.ImageFile,
) -> tuple[dict[str, Any], int, tuple[str, ...]]:
    """EXIF, IPTC and XMP of a file whose pixels have been read, for `Picture.info`; its
    orientation; and notes of what is too damaged to be kept."""
    info: dict[str, Any] = {}
    turn = 1
    notes: tuple[str, ...] = ()
    try:
        exif = file.getexif()
        turn = metadata.orientation_of(exif)
        if file.format == "TIFF":
            metadata.drop_resolution(exif)
        info[EXIF] = metadata.written(exif)
    except metadata.ODDITIES:
        notes = (metadata.DAMAGED,)
    if file.format == "TIFF":
        info[iptc.IPTC] = iptc.of_tag(file.tag_v2.get(iptc.TIFF_TAG))  # type: ignore[attr-defined]
    else:
        info[iptc.IPTC] = iptc.of_resources(file.info.get("photoshop"))
    packet = file.info.get("xmp") or file.info.get("XML:com.adobe.xmp")
    if packet:
        as_bytes = packet.encode() if isinstance(packet, str) else packet
        info[XMP] = metadata.upright_xmp(as_bytes)
    return info, turn, notes


def size(file: ImageFile.ImageFile) -> tuple[int, int]:
    """(height, width) of the picture when it stands upright."""
    try:
        turn = metadata.orientation_of(file.getexif())
    except metadata.ODDITIES:
        turn = 1
    return metadata.turned(file.height, file.width, turn)


def _compression_of_jpeg(file: ImageFile.ImageFile) -> dict[str, Any]:
    from PIL.JpegImagePlugin import get_sampling

    sampling = get_sampling(file)
    tables: dict[int, Any] = getattr(file, "quantization", {})
    return {
        "jpeg_tables": [tables[i] for i in sorted(tables)][:2] or None,
        "jpeg_sampling": None if sampling < 0 else sampling,
        "comment": file.info.get("comment"),
    }


def webp_is_lossless(stream: BinaryIO) -> bool:
    """Whether the pixels of a WebP were kept exactly."""
    return b"VP8L" in metadata.riff_chunks(assemble.peeked(stream))


def encode(picture: Picture, format_: Format) -> bytes:
    """A file of 8 bits a channel with what the format has a place for."""
    data = assemble.stacked(picture)
    mode = "L" if data.ndim == 2 else {2: "LA", 3: "RGB", 4: "RGBA"}[data.shape[2]]
    image = Image.frombuffer(mode, (data.shape[1], data.shape[0]), data)
    options = {k: picture.info[k] for k in format_.keeps if k in picture.info}
    if format_ is JPEG:
        options = {
            k: v for k, v in options.items() if k not in (EXIF, XMP) or len(v) <= JPEG_SEGMENT
        }
    buffer = io.BytesIO()
    image.save(buffer, format_.name, **options, **_compression(format_, picture))
    return buffer.getvalue()


def _compression(format_: Format, picture: Picture) -> dict[str, Any]:
    info = picture.info
    quality = info.get("quality")
    if format_ is JPEG:
        options = {"comment": info["comment"]} if "comment" in info else {}
        if iptc.fits_jpeg(info.get(iptc.IPTC, b"")):
            options["extra"] = iptc.jpeg_segment(info[iptc.IPTC]) if iptc.IPTC in info else b""
        sampling = info.get("jpeg_sampling")
        options["subsampling"] = 0 if sampling is None else sampling
        if quality is None and "jpeg_tables" in info:
            return options | {"qtables": info["jpeg_tables"]}
        return options | {"quality": HIGH_QUALITY if quality is None else quality}
    if format_ is WEBP:
        # Exact: alpha is kept as it is, and so must be the colours where it hides them.
        options = {"alpha_quality": 100, "exact": True, "method": 4}
        if quality is None and info.get("lossless"):
            return options | {"lossless": True}
        return options | {"quality": HIGH_QUALITY if quality is None else quality}
    if format_ is AVIF:
        # Its quality is that of alpha too, which is kept exactly at 100 alone.
        usual = AVIF_QUALITY if picture.alpha is None else 100
        return {"quality": usual if quality is None else quality, "subsampling": "4:4:4"}
    return {}
