"""Pictures in files, made without our own code, and what cameras write beside them."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image, ImageCms

from restore.media.image import read, write

LOSSLESS = [".png", ".bmp", ".tif", ".tiff"]
LOSSY = [".jpg", ".jpeg", ".webp"]
ALPHA = [".png", ".tif", ".webp"]
ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
Base, Ifd, Gps = ExifTags.Base, ExifTags.IFD, ExifTags.GPS


def smooth(height: int = 40, width: int = 56) -> np.ndarray:
    """A colour picture that lossy compression hardly changes, and no symmetry leaves alone."""
    y, x = np.mgrid[:height, :width]
    channels = (4 * x, 5 * y, 255 - 2 * x - 3 * y)
    return np.clip(np.dstack(channels), 0, 255).astype(np.uint8)


def coverage(height: int = 40, width: int = 56) -> np.ndarray:
    """Alpha with every value from clear to opaque."""
    return (np.arange(height * width) % 256).astype(np.uint8).reshape(height, width)


def saved(path: Path, image: np.ndarray | Image.Image, **options: Any) -> Path:
    """Write a picture without our own code."""
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(path, **options)
    return path


def copied(source: Path, target: Path) -> Path:
    """Read and write a file as `restore` does, without restoring it."""
    write(read(source), target)
    return target


def metadata() -> Image.Exif:
    """As a camera writes it: tags of its own, and the Exif and GPS directories below them."""
    exif = Image.Exif()
    exif[Base.Make] = "Maker"
    exif[Base.Software] = "Firmware"
    exif.get_ifd(Ifd.Exif)[Base.DateTimeOriginal] = "2020:01:02 03:04:05"
    exif.get_ifd(Ifd.Exif)[Base.ExposureTime] = 0.01
    exif.get_ifd(Ifd.GPSInfo)[Gps.GPSLatitudeRef] = "N"
    exif.get_ifd(Ifd.GPSInfo)[Gps.GPSLatitude] = (52.0, 30.0, 1.5)
    return exif


def png(width: int, height: int, depth: int, colour: int, data: bytes = b"") -> bytes:
    """Return a PNG whose header claims the given size."""

    def chunk(name: bytes, body: bytes) -> bytes:
        crc = zlib.crc32(name + body)
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", crc)

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks
