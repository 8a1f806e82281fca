"""TIFF of 8, 16 and 32 bits, as scanners, cameras and science write it.

tifffile reads what is plain, Pillow the rest. All of it is written by tifffile, with
the directories of EXIF put in afterwards, which it does not write.
"""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from restore.errors import ImageError
from restore.media import iptc, metadata
from restore.media.codecs import assemble
from restore.media.colour import srgb_of_cmyk
from restore.media.formats import DEPTHS, DPI, EXIF, ICC, XMP
from restore.media.picture import Picture

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_XMP_TAG = 700
_INCHES = {2: 1.0, 3: 2.54}
"""Per unit of resolution: inch, centimetre."""
_KINDS = ("MINISBLACK", "MINISWHITE", "RGB", "SEPARATED")
_MOST_CHANNELS = 64
LARGEST_TILE = 1 << 26
"""In samples, for pictures that are smaller; no tile need be larger than its picture."""


def size(stream: BinaryIO) -> tuple[int, int]:
    """(height, width) of the first page when it stands upright."""
    from tifffile import TiffFile

    stream.seek(0)
    with TiffFile(stream) as file:
        page = file.pages.first
        return metadata.turned(page.imagelength, page.imagewidth, _orientation(page))


def _orientation(page: Any) -> int:
    tag = page.tags.get("Orientation")
    return int(tag.value) if tag is not None and tag.value in range(1, 9) else 1


def pillow_can(stream: BinaryIO) -> bool:
    """Whether the first page is one that Pillow reads without loss, and tifffile may not: of few
    bits, with a palette, or made by JPEG or a fax machine."""
    from tifffile import EXTRASAMPLE, TiffFile

    stream.seek(0)
    with TiffFile(stream) as file:
        page = file.pages.first
        if page.bitspersample > 8 or EXTRASAMPLE.ASSOCALPHA in page.extrasamples:
            return False
        plain = page.bitspersample == 8 and _name(page.photometric) in _KINDS
        return not plain or _name(page.compression) in ("JPEG", "OJPEG")


def pixels_of(page: Any) -> np.ndarray:
    """H x W or H x W x channels, uint8, uint16 or float32."""
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
    if data.dtype == np.uint8 and bits == 8:
        return data
    if data.dtype == np.uint16 and 8 < bits <= 16:
        full = (1 << bits) - 1
        return data if bits == 16 else np.rint(data * (65535 / full)).astype(np.uint16)
    raise ImageError(f"holds {data.dtype} pixels of {bits} bits; 8, 16 and 32-bit float are known")


def decode(stream: BinaryIO, pixels: Callable[[Any], np.ndarray] = pixels_of) -> Picture:
    """The first page, of which ``pixels`` gives those stored. Raises `ImageError` saying what it
    holds that is not known here."""
    from tifffile import EXTRASAMPLE, TiffFile

    stream.seek(0)
    notes: list[str] = []
    with TiffFile(stream) as file:
        page = file.pages.first
        data, info = pixels(page), _info(page)
        if page.dtype == np.float64:
            notes.append("64 bits a channel become 32f")
        extras, turn, big = page.extrasamples, _orientation(page), file.is_bigtiff
        if len(file.pages) > 1:
            notes.append(f"holds {len(file.pages)} pictures; the first one is taken")
    data, inks = _coloured(_name(page.photometric), data, info, notes)
    alpha = _alpha(extras, 0 if data.ndim == 2 else data.shape[2] - inks)
    # Scanners keep more beside the colours than alpha: infrared, say.
    if data.ndim == 3 and data.shape[2] > inks + (alpha is not None):
        notes.append(f"holds {data.shape[2] - inks} more channels, which are not kept")
        data = data[..., :inks]
    if alpha == EXTRASAMPLE.ASSOCALPHA:
        data = assemble.without_multiplied_alpha(data)
        notes.append("its colours were multiplied by their alpha, and are not any more")
    if big:
        notes.append("is a BigTIFF, of which EXIF is not kept")
    else:
        notes += _put_exif(stream, info)
    return assemble.picture(assemble.upright(data, turn), info, tuple(notes))


def _put_exif(stream: BinaryIO, info: dict[str, Any]) -> tuple[str, ...]:
    """Into ``info``; a note where it cannot be."""
    try:
        exif = metadata.exif_of_tiff(stream)
        metadata.drop_resolution(exif)
        info[EXIF] = metadata.written(exif)
    except metadata.ODDITIES:
        return (metadata.DAMAGED,)
    return ()


def _name(value: Any) -> str:
    """Of a choice that TIFF has a number for, which a file need not be right about."""
    return getattr(value, "name", str(value))


def _alpha(extras: tuple[int, ...], count: int) -> int | None:
    """What the first of ``count`` channels beside the colours is, if that is alpha of a kind. One
    alone is, even where the file does not say so, as OpenCV's."""
    from tifffile import EXTRASAMPLE

    stated = extras[0] if extras else EXTRASAMPLE.UNSPECIFIED
    unknown = stated == EXTRASAMPLE.UNSPECIFIED and count != 1
    return None if count == 0 or unknown else stated


def _info(page: Any) -> dict[str, Any]:
    packet, captions = page.tags.get(_XMP_TAG), page.tags.get(iptc.TIFF_TAG)
    xmp = bytes(packet.value) if packet is not None else b""
    return {
        ICC: page.iccprofile,
        XMP: metadata.upright_xmp(xmp),
        DPI: metadata.resolution(_resolution(page)),
        iptc.IPTC: iptc.of_tag(None if captions is None else captions.value),
    }


def _resolution(page: Any) -> tuple[float, ...] | None:
    tags = [page.tags.get(name) for name in ("XResolution", "YResolution")]
    if None in tags:
        return None
    unit = page.tags.get("ResolutionUnit")
    inches = _INCHES.get(2 if unit is None else int(unit.value))
    if inches is None:  # a shape of pixels, not a size
        return None
    return tuple(inches * tag.value[0] / tag.value[1] for tag in tags if tag.value[1])


def _coloured(
    kind: str, data: np.ndarray, info: dict[str, Any], notes: list[str]
) -> tuple[np.ndarray, int]:
    """Grey or RGB of what a TIFF calls ``kind``, and how many channels that has without alpha."""
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
    raise ImageError(f"holds {kind} pixels of {data.dtype}; grey, RGB and CMYK are known")


def encode(picture: Picture) -> bytes:
    import tifffile

    data = assemble.stacked(picture)
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, data, **options(picture.info, data.shape, data.dtype))
    put_exif(buffer, picture.info)
    return buffer.getvalue()


def options(info: dict[str, Any], shape: tuple[int, ...], dtype: np.dtype) -> dict[str, Any]:
    """How tifffile is to write pixels of this shape and type with what travels along, but for EXIF,
    which `put_exif` adds."""
    channels = 1 if len(shape) == 2 else shape[2]
    return {
        "byteorder": byte_order(info),
        "photometric": "rgb" if channels > 2 else "minisblack",
        "planarconfig": "contig" if channels > 1 else None,
        "extrasamples": ["unassalpha"] if channels in (2, 4) else None,
        "compression": "zlib",
        "predictor": True if dtype != DEPTHS["32f"] else "floatingpoint",
        "iccprofile": info.get(ICC),
        "resolution": info.get(DPI),
        "resolutionunit": "inch" if info.get(DPI) else None,
        "extratags": [
            (tag, "B", len(info[key]), info[key], True)
            for tag, key in ((_XMP_TAG, XMP), (iptc.TIFF_TAG, iptc.IPTC))
            if info.get(key)
        ],
        "metadata": None,
        "software": False,
    }


def byte_order(info: dict[str, Any]) -> Any:
    """Of the EXIF, which refers to its parts in it."""
    return _byte_order(_exif(info))


def put_exif(file: BinaryIO, info: dict[str, Any]) -> None:
    """Into a TIFF that was written with `options`."""
    exif = _exif(info)
    if len(exif):
        _put_in(file, exif)


def _exif(info: dict[str, Any]) -> Image.Exif:
    exif = Image.Exif()
    exif.load(info.get(EXIF, b""))
    return exif


def _byte_order(exif: Image.Exif) -> Any:
    return ">" if exif.endian == ">" else "<"


def _put_in(file: BinaryIO, exif: Image.Exif) -> None:
    """Add EXIF, with the directories below it, to a TIFF of the same byte order: a new first
    directory at its end holds the old entries and the new, which refer to places in the file.

    A BigTIFF (over 4 GB), whose entries are longer, is left as it is.
    """
    order = _byte_order(exif)
    file.seek(0)
    magic, at = struct.unpack(f"{order}2xHI", file.read(8))
    if magic != 42:
        return
    own, following = _entries(file, at, order)
    start = file.seek(0, io.SEEK_END)
    start += file.write(b"\0" * (start % 2))
    # Pillow writes a header of 14 bytes, and a directory whose places count from that header's own.
    file.write(exif.tobytes(start)[14:])
    added, _ = _entries(file, start, order)
    merged = added | own
    end = file.seek(0, io.SEEK_END)
    end += file.write(b"\0" * (end % 2))
    count = struct.pack(f"{order}H", len(merged))
    file.write(count + b"".join(merged[tag] for tag in sorted(merged)) + following)
    file.seek(4)
    file.write(struct.pack(f"{order}I", end))


def _entries(file: BinaryIO, at: int, order: str) -> tuple[dict[int, bytes], bytes]:
    """The entries of the directory at a place, 12 bytes each, by tag; and where the next one is."""
    file.seek(at)
    (count,) = struct.unpack(f"{order}H", file.read(2))
    entries = [file.read(12) for _ in range(count)]
    return {struct.unpack(f"{order}H", e[:2])[0]: e for e in entries}, file.read(4)
