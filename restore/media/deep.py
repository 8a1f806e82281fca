"""Pictures of 16 bits a channel, which Pillow cuts to 8 when they have colour.

Arrays are uint16, H x W (grey), H x W x 2 (grey, alpha), H x W x 3 (RGB) or H x W x 4 (RGBA).
Pillow still reads what stands around the pixels.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from PIL import ImageFile
from PIL.TiffImagePlugin import TiffImageFile

from restore.errors import ImageError

FORMATS = frozenset({"PNG", "TIFF", "PPM"})
"""Those that can hold 16 bits a channel here."""
FULL = 65535
_BITS_PER_SAMPLE = 258


def is_deep(file: ImageFile.ImageFile) -> bool:
    """Whether the file has over 8 bits a channel."""
    if isinstance(file, TiffImageFile):
        return bool(max(file.tag_v2.get(_BITS_PER_SAMPLE, (1,))) > 8)
    if file.format == "PPM":
        return file.mode.startswith("I") or any(_greatest(tile.args) > 255 for tile in file.tile)
    return file.format == "PNG" and any(";16" in str(tile.args) for tile in file.tile)


def _greatest(arguments: Any) -> int:
    """What Pillow's decoder of a PPM takes for white."""
    return arguments[1] if isinstance(arguments, tuple) else 255


def decode(content: bytes, format_: str) -> np.ndarray:
    """The pixels of a file for which `is_deep` holds. Raises `ImageError` saying what it holds
    instead of 16-bit integers, grey or RGB, and whatever a decoder makes of a damaged file."""
    pixels = {"PNG": _decode_png, "TIFF": _decode_tiff, "PPM": _decode_ppm}[format_](content)
    if pixels.dtype != np.uint16 or pixels.shape[2:] not in ((), (2,), (3,), (4,)):
        raise ImageError(f"holds {pixels.dtype} pixels in {pixels.shape[2:]} channels")
    return pixels


def encode(pixels: np.ndarray, format_: str, info: Mapping[str, Any]) -> bytes:
    """A file of one of `FORMATS` with ICC profile and resolution, a PNG with EXIF too."""
    encoders = {"PNG": _encode_png, "TIFF": _encode_tiff, "PPM": _encode_ppm}
    return encoders[format_](np.ascontiguousarray(pixels), info)


def _decode_png(content: bytes) -> np.ndarray:
    import imagecodecs

    return imagecodecs.png_decode(content)


def _encode_png(pixels: np.ndarray, info: Mapping[str, Any]) -> bytes:
    import imagecodecs

    content = imagecodecs.png_encode(pixels, level=6)
    after_header = 8 + 25  # signature; length, type, 13 bytes and checksum of IHDR
    return b"".join((content[:after_header], *_chunks(info), content[after_header:]))


def _chunks(info: Mapping[str, Any]) -> Iterator[bytes]:
    """What of ``info`` a PNG has chunks for (PNG specification, third edition, 11.3)."""
    if profile := info.get("icc_profile"):
        yield _chunk(b"iCCP", b"icc\0\0" + zlib.compress(profile))
    if dpi := info.get("dpi"):
        yield _chunk(b"pHYs", struct.pack(">IIB", *(round(v / 0.0254) for v in dpi), 1))
    if exif := info.get("exif"):
        yield _chunk(b"eXIf", exif.removeprefix(b"Exif\0\0"))


def _chunk(name: bytes, content: bytes) -> bytes:
    body = name + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))


def _decode_tiff(content: bytes) -> np.ndarray:
    from tifffile import EXTRASAMPLE, PHOTOMETRIC, PLANARCONFIG, TiffFile

    with TiffFile(io.BytesIO(content)) as file:
        page = file.pages.first
        if page.bitspersample != 16:
            raise ImageError(f"holds {page.bitspersample} bits a channel")
        if page.photometric not in (
            PHOTOMETRIC.MINISBLACK,
            PHOTOMETRIC.MINISWHITE,
            PHOTOMETRIC.RGB,
        ):
            raise ImageError(f"holds {page.photometric.name} pixels of 16 bits")
        if EXTRASAMPLE.ASSOCALPHA in page.extrasamples:
            raise ImageError("holds colours multiplied by their alpha, of 16 bits")
        pixels = page.asarray()
        if pixels.ndim == 3 and page.planarconfig == PLANARCONFIG.SEPARATE:
            pixels = np.moveaxis(pixels, 0, 2)
        if page.photometric == PHOTOMETRIC.MINISWHITE:
            grey = pixels if pixels.ndim == 2 else pixels[..., 0]
            np.subtract(FULL, grey, out=grey)
        return pixels


def _encode_tiff(pixels: np.ndarray, info: Mapping[str, Any]) -> bytes:
    import tifffile

    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    buffer = io.BytesIO()
    tifffile.imwrite(
        buffer,
        pixels,
        photometric="rgb" if channels > 2 else "minisblack",
        planarconfig="contig" if channels > 1 else None,
        extrasamples=["unassalpha"] if channels in (2, 4) else None,
        compression="zlib",
        predictor=True,
        iccprofile=info.get("icc_profile"),
        resolution=info.get("dpi"),
        resolutionunit="inch" if info.get("dpi") else None,
        metadata=None,
        software=False,
    )
    return buffer.getvalue()


def _decode_ppm(content: bytes) -> np.ndarray:
    import cv2

    pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise ValueError("it ends early")
    white = _white_of_ppm(content)
    if white != FULL:
        pixels = np.rint(pixels * (FULL / white)).astype(np.uint16)
    return pixels if pixels.ndim == 2 else np.ascontiguousarray(pixels[..., ::-1])


def _white_of_ppm(content: bytes) -> int:
    """The greatest value of the header: kind, width, height, it; with comments in between."""
    words = b" ".join(line.split(b"#")[0] for line in content[:4096].split(b"\n")).split()
    return int(words[3])


def _encode_ppm(pixels: np.ndarray, info: Mapping[str, Any]) -> bytes:
    import cv2

    bgr = pixels if pixels.ndim == 2 else np.ascontiguousarray(pixels[..., ::-1])
    done, content = cv2.imencode(".pgm" if pixels.ndim == 2 else ".ppm", bgr)
    assert done
    return content.tobytes()


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """An array turned and flipped as the EXIF tag says: 1 to 8, anything else is 1."""
    turns = {3: 2, 4: 2, 5: 3, 6: 3, 7: 1, 8: 1}.get(orientation, 0)
    turned = np.rot90(pixels, turns)
    return turned[:, ::-1] if orientation in (2, 4, 5, 7) else turned
