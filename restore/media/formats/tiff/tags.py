"""Tags of TIFF files. tifffile writes all but EXIF, which is added afterwards."""

from __future__ import annotations

import io
import struct
from typing import Any, BinaryIO

import numpy as np

from restore.media import exif_block, metadata, photoshop
from restore.media.picture import DEPTHS, DPI, EXIF, ICC, IPTC, XMP

XMP_TAG = 700


def write_options(info: dict[str, Any], shape: tuple[int, ...], dtype: np.dtype) -> dict[str, Any]:
    """Return tifffile's arguments for pixels of this shape and type and a `Picture.info`, except
    EXIF, which `put_exif` adds."""
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
            for tag, key in ((XMP_TAG, XMP), (photoshop.TIFF_TAG, IPTC))
            if info.get(key)
        ],
        "metadata": None,
        "software": False,
    }


def read_exif(stream: BinaryIO, info: dict[str, Any]) -> tuple[str, ...]:
    """Put the tags of a TIFF that are not about its pixels into ``info``. Returns notes on damaged
    tags."""
    try:
        info[EXIF] = metadata.kept_of_tiff(stream)
    except ValueError:
        return (metadata.DAMAGED,)
    return ()


def byte_order(info: dict[str, Any]) -> Any:
    """Return the byte order of the EXIF, in which a TIFF that will hold it must be written."""
    return exif_block.byte_order(info[EXIF]) if info.get(EXIF) else "<"


def put_exif(file: BinaryIO, info: dict[str, Any]) -> None:
    """Add the EXIF of ``info`` to a TIFF written in its byte order.

    Appends the block, with its offsets moved, and a new first directory that merges old and new
    tags. A BigTIFF (over 4 GB), whose tags are longer, is left unchanged.
    """
    if not info.get(EXIF):
        return
    order = byte_order(info)
    file.seek(0)
    magic, at = struct.unpack(f"{order}2xHI", file.read(8))
    if magic != 42:
        return
    own, following = _entries(file, at, order)
    start = file.seek(0, io.SEEK_END)
    start += file.write(b"\0" * (start % 2))
    block, added = exif_block.embedded(info[EXIF], start)
    file.write(block)
    merged = added | own
    end = file.seek(0, io.SEEK_END)
    end += file.write(b"\0" * (end % 2))
    count = struct.pack(f"{order}H", len(merged))
    file.write(count + b"".join(merged[tag] for tag in sorted(merged)) + following)
    file.seek(4)
    file.write(struct.pack(f"{order}I", end))


def _entries(file: BinaryIO, at: int, order: str) -> tuple[dict[int, bytes], bytes]:
    """Read the entries of a directory, 12 bytes each by tag, and the offset of the next one."""
    file.seek(at)
    (count,) = struct.unpack(f"{order}H", file.read(2))
    entries = [file.read(12) for _ in range(count)]
    return {struct.unpack(f"{order}H", e[:2])[0]: e for e in entries}, file.read(4)
