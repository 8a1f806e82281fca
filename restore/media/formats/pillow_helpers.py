"""Reading and writing by Pillow, shared by the formats that use it: 8 bits per channel."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterable
from itertools import product
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, ImageFile

from restore.errors import ImageError
from restore.media import assembly, metadata
from restore.media.colour import srgb_of_cmyk
from restore.media.formats.format import check_size
from restore.media.picture import DPI, EXIF, ICC, XMP, Picture, only_first

_BLOCK = 1 << 24
"""Pixels converted together. Pillow refuses to crop about ten times as many."""

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""The operation that makes each orientation upright."""

_opening = threading.Lock()


def identified(stream: BinaryIO, name: str) -> ImageFile.ImageFile:
    """Open a file of Pillow's format ``name`` without decoding it.

    Pillow's own limit of pixels is lifted; callers apply `check_size`. Always opened as a stream:
    given a path, Pillow 13 maps an uncompressed TIFF with a sideways orientation into memory with
    height and width exchanged.
    """
    stream.seek(0)
    with _opening:
        pixels, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(stream, formats=(name,))
        finally:
            Image.MAX_IMAGE_PIXELS = pixels


def decoder(name: str) -> Callable[[BinaryIO, int], Picture]:
    """Return `Format.decode` for a format that needs nothing of its own."""

    def decode_by_pillow(stream: BinaryIO, max_pixels: int) -> Picture:
        with identified(stream, name) as file:
            check_size(file.height, file.width, max_pixels)
            return decode(file)

    return decode_by_pillow


def sizer(name: str) -> Callable[[BinaryIO, int], tuple[int, int]]:
    """Return `Format.size` for a format whose header Pillow reads."""

    def size_by_pillow(stream: BinaryIO, max_pixels: int) -> tuple[int, int]:
        with identified(stream, name) as file:
            return size(file)

    return size_by_pillow


def decode(
    file: ImageFile.ImageFile,
    info: dict[str, Any] | None = None,
    *,
    notes: tuple[str, ...] | None = None,
    exif_of: Callable[[], bytes | None] | None = None,
) -> Picture:
    """Decode the first image of an identified file.

    Args:
        info: additions to `Picture.info`, which replace values of the file.
        notes: notes on the file; by default a note if it holds several images.
        exif_of: returns the EXIF to keep, for formats that do not store it as a block.
    """
    notes = frames(file) if notes is None else notes
    profile, mode = file.info.get(ICC), file.mode
    own: dict[str, Any] = {ICC: profile, DPI: metadata.resolution(file.info.get(DPI))}
    file.load()
    kept, turn, lost = carried(file, exif_of)
    notes, own = (*notes, *lost), own | kept | (info or {})
    image = file.transpose(_TURNS[turn]) if turn in _TURNS else file
    if mode == "CMYK":
        data, own[ICC], note = srgb_of_cmyk(np.asarray(image), profile)
        return assembly.picture(data, own, (*notes, note))
    has_alpha = mode in ("LA", "PA", "RGBA", "RGBa", "La") or "transparency" in image.info
    if mode in ("L", "LA", "La", "1", "I;16"):
        wanted = "LA" if has_alpha else "L"
    elif mode in ("P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "YCbCr"):
        wanted = "RGBA" if has_alpha else "RGB"
    else:
        raise ImageError(f"holds {mode} pixels; grey, RGB and CMYK are supported")
    return assembly.picture(_array(image, wanted), own, notes)


def _array(image: Image.Image, mode: str) -> np.ndarray:
    """Convert an image to another mode in blocks. Pillow would hold a large one three times."""
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
    """Return a note if the file holds more than one image."""
    count = getattr(file, "n_frames", 1)
    return (only_first(count),) if count > 1 else ()


def carried(
    file: ImageFile.ImageFile, exif_of: Callable[[], bytes | None] | None = None
) -> tuple[dict[str, Any], int, tuple[str, ...]]:
    """Read EXIF and XMP of a file that has been loaded.

    Returns:
        Entries for `Picture.info`, the orientation, and notes on damaged metadata.
    """
    info: dict[str, Any] = {}
    turn = 1
    notes: tuple[str, ...] = ()
    try:
        exif = file.getexif()
        turn = metadata.orientation_of(exif)
        info[EXIF] = exif_of() if exif_of else _exif_of(file, exif)
    except metadata.ODDITIES:
        notes = (metadata.DAMAGED,)
    packet = file.info.get("xmp") or file.info.get("XML:com.adobe.xmp")
    if packet:
        as_bytes = packet.encode() if isinstance(packet, str) else packet
        info[XMP] = metadata.upright_xmp(as_bytes)
    return info, turn, notes


def _exif_of(file: ImageFile.ImageFile, exif: Image.Exif) -> bytes | None:
    """Return the EXIF to keep. Only in old PNGs, as a text, it is not stored as a block."""
    block = file.info.get(EXIF)
    return metadata.kept(block) if block else metadata.written(exif)


def size(file: ImageFile.ImageFile) -> tuple[int, int]:
    """Return (height, width) of the upright image."""
    try:
        turn = metadata.orientation_of(file.getexif())
    except metadata.ODDITIES:
        turn = 1
    return metadata.turned(file.height, file.width, turn)


def encode(picture: Picture, name: str, keeps: Iterable[str], **options: Any) -> bytes:
    """Return a file of Pillow's format ``name`` with the metadata named by ``keeps``; ``options``
    are arguments of Pillow's ``save``."""
    data = assembly.stacked(picture)
    mode = "L" if data.ndim == 2 else {2: "LA", 3: "RGB", 4: "RGBA"}[data.shape[2]]
    image = Image.frombuffer(mode, (data.shape[1], data.shape[0]), data)
    kept = {key: picture.info[key] for key in keeps if key in picture.info}
    buffer = io.BytesIO()
    image.save(buffer, name, **kept, **options)
    return buffer.getvalue()
