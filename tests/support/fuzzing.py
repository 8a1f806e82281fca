"""A session of fuzzing, as a program: `python fuzzing.py SECONDS FOLDER [FIRST_SEED]`.

It is a process of its own because what it looks for may end the process: a native decoder that
crashes, hangs, or takes all memory. The case under way lies in FOLDER for whoever looks after that.
"""

from __future__ import annotations

import io
import resource
import signal
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import hypothesis
import imagecodecs
import numpy as np
import pillow_heif
import tifffile
from hypothesis import strategies as st
from media_files import dng, temporary_exr
from pictures import ICC, coverage, metadata, smooth
from PIL import Image

from restore.errors import ImageError
from restore.media import large
from restore.media.formats.png.chunks import chunk
from restore.media.image import encoded, read, size
from restore.media.picture import Picture

HANG = 20
"""Seconds for one case, which takes milliseconds."""
ROOM = 3 << 30
"""Bytes of address space beyond what the libraries take, which have threads with stacks."""
MAX_PIXELS = 2_000_000
COLOUR = smooth(12, 17)
ALPHA = coverage(12, 17)
RGBA = np.dstack((COLOUR, ALPHA))
PACKET = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a tiff:Orientation="6"/></x:xmpmeta>'


def by_pillow(kind: str, pixels: np.ndarray | Image.Image, **options: Any) -> bytes:
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def by_tifffile(pixels: np.ndarray, **options: Any) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, pixels, metadata=None, **options)
    return buffer.getvalue()


def by_opencv(suffix: str, pixels: np.ndarray) -> bytes:
    return cv2.imencode(suffix, pixels)[1].tobytes()


def by_libheif(mode: str, pixels: np.ndarray, **options: Any) -> bytes:
    file = pillow_heif.from_bytes(mode, (pixels.shape[1], pixels.shape[0]), pixels.tobytes())
    buffer = io.BytesIO()
    file.save(buffer, quality=50, **options)
    return buffer.getvalue()


def in_pieces(content: bytes, length: int) -> bytes:
    """A PNG with its pixels in chunks of this length."""
    at = content.index(b"IDAT") - 4
    (size,) = struct.unpack_from(">I", content, at)
    body, end = content[at + 8 : at + 8 + size], content[at + 12 + size :]
    pieces = (body[i : i + length] for i in range(0, size, length))
    return content[:at] + b"".join(chunk(b"IDAT", piece) for piece in pieces) + end


def files() -> dict[str, bytes]:
    """Small real files of every format, by the name they are read under."""
    carried = {"exif": metadata().tobytes(), "icc_profile": ICC, "xmp": PACKET}
    deep = (COLOUR.astype(np.uint16) * 257).copy()
    floats = (COLOUR / np.float32(255)).astype(np.float32)
    still = [Image.fromarray(COLOUR), Image.fromarray(COLOUR[::-1].copy())]
    animated = {"save_all": True, "append_images": still[1:]}
    ink = Image.fromarray(COLOUR).convert("CMYK")
    return {
        "rgba.png": by_pillow("PNG", RGBA, exif=metadata().tobytes(), icc_profile=ICC),
        "palette.png": by_pillow("PNG", still[0].quantize(16), transparency=bytes(range(16))),
        "deep.png": imagecodecs.png_encode(np.dstack((deep, deep[..., :1]))),
        "animated.png": by_pillow("PNG", still[0], **animated),
        "pieces.png": in_pieces(imagecodecs.png_encode(COLOUR), 50),
        "deep pieces.png": in_pieces(imagecodecs.png_encode(deep), 100),
        "colour.jpg": by_pillow("JPEG", COLOUR, dpi=(300, 300), comment=b"said", **carried),
        "grey.jpg": by_pillow("JPEG", COLOUR[..., 0].copy(), progressive=True),
        "ink.jpg": by_pillow("JPEG", ink),
        "several.jpg": by_pillow("MPO", still[0], **animated),
        "lossy.webp": by_pillow("WEBP", RGBA, **carried),
        "lossless.webp": by_pillow("WEBP", RGBA, lossless=True),
        "animated.webp": by_pillow("WEBP", still[0], **animated),
        "rgba.tif": by_pillow("TIFF", RGBA, exif=metadata().tobytes()),
        "ink.tif": by_pillow("TIFF", ink, compression="tiff_lzw"),
        "jpeg.tif": by_pillow("TIFF", COLOUR, compression="jpeg"),
        "dots.tif": by_pillow("TIFF", Image.fromarray(COLOUR[..., 0] > 99), compression="group4"),
        "deep.tif": by_tifffile(deep, photometric="rgb", compression="zlib", predictor=True),
        "tiles.tif": by_tifffile(deep, photometric="rgb", compression="lzw", tile=(16, 16)),
        "floats.tif": by_tifffile(floats, photometric="rgb"),
        "big.tif": by_tifffile(deep, photometric="rgb", bigtiff=True),
        "pages.tif": by_tifffile(np.stack((deep, deep)), photometric="rgb"),
        "colour.bmp": by_pillow("BMP", COLOUR),
        "palette.bmp": by_pillow("BMP", still[0].quantize(16)),
        "palette.gif": by_pillow("GIF", still[0].quantize(16), transparency=3),
        "animated.gif": by_pillow("GIF", still[0], **animated),
        "colour.ppm": by_pillow("PPM", COLOUR),
        "deep.pgm": by_opencv(".pgm", deep[..., 0].copy()),
        "text.ppm": b"P3 # said\n2 1\n1023\n1 2 3 1023 0 7\n",
        "floats.pfm": by_opencv(".pfm", floats),
        "rgba.avif": by_pillow("AVIF", RGBA, speed=10, **carried),
        "colour.jp2": bytes(imagecodecs.jpeg2k_encode(COLOUR, level=0, codecformat="jp2")),
        "lossy.jp2": bytes(imagecodecs.jpeg2k_encode(deep, level=60, codecformat="jp2")),
        "rgba.j2k": by_pillow("JPEG2000", RGBA, no_jp2=True),
        "colour.exr": temporary_exr(RGB=floats),
        "half.exr": temporary_exr(Y=floats[..., 0].astype(np.float16), A=floats[..., 1].copy()),
        "ycck.jpg": bytes(imagecodecs.jpeg8_encode(RGBA, colorspace="CMYK", outcolorspace="YCCK")),
        "deep.avif": bytes(imagecodecs.avif_encode(deep >> 6, bitspersample=10, speed=10)),
        "ink.jp2": by_pillow("JPEG2000", ink),
        "colour.jxl": bytes(imagecodecs.jpegxl_encode(RGBA, lossless=True)),
        "lossy.jxl": bytes(imagecodecs.jpegxl_encode(deep, level=60)),
        "profile.jxl": encoded(Picture(COLOUR, None, {"icc_profile": ICC}), "o.jxl"),
        "photo.jxl": bytes(imagecodecs.jpegxl_encode_jpeg(by_pillow("JPEG", COLOUR, **carried))),
        "camera.dng": dng(),
        "rgba.heic": by_libheif("RGBA", RGBA, exif=metadata().tobytes()),
        "colour.heic": by_libheif("RGB", COLOUR, icc_profile=ICC),
    }


NUMBERS = [
    *(b"\xff" * 2, b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x80\0\0\0"),
    *(struct.pack(">I", n) for n in (1, 65536, 1 << 24)),
    *(struct.pack("<I", n) for n in (1, 65536, 1 << 24)),
]
"""Lengths, counts and sizes that hurt."""
KINDS = (*("flip", "byte", "number") * 3, "cut", "drop", "insert", "splice")


@st.composite
def damaged(draw: Callable[..., Any], seeds: dict[str, bytes]) -> tuple[str, bytes]:
    """A name and a file with one to three things wrong with it."""
    name = draw(st.sampled_from(sorted(seeds)))
    content = bytearray(seeds[name])
    for _ in range(draw(st.integers(1, 3))):
        # Most of what matters stands at the beginning.
        reach = draw(st.sampled_from((len(content), 512, 64)))
        at = draw(st.integers(0, max(0, min(reach, len(content)) - 1)))
        match draw(st.sampled_from(KINDS)):
            case "flip" if content:
                content[at] ^= 1 << draw(st.integers(0, 7))
            case "byte" if content:
                content[at] = draw(st.integers(0, 255))
            case "number":
                number = draw(st.sampled_from(NUMBERS))
                content[at : at + len(number)] = number
            case "cut":
                del content[at:]
            case "drop":
                del content[at : at + draw(st.integers(1, 64))]
            case "insert":
                content[at:at] = draw(st.binary(min_size=1, max_size=32))
            case "splice":
                other = seeds[draw(st.sampled_from(sorted(seeds)))]
                start = draw(st.integers(0, len(other) - 1))
                content[at:at] = other[start : start + draw(st.integers(1, 256))]
    return name, bytes(content)


def survives(path: Path) -> bool:
    """Whether the file is a picture still; it must be one, and one that can be written, or be
    refused in a line that is not for want of memory. By rows it is the same picture, or refused,
    too."""
    picture, rows = whole(path), by_rows(path)
    if isinstance(picture, ImageError):
        assert not isinstance(rows, Picture), f"by rows it is a picture; whole: {picture}"
        return False
    assert not isinstance(rows, ImageError), f"whole it is a picture; by rows: {rows}"
    if rows is not None:
        np.testing.assert_array_equal(rows.pixels, picture.pixels)
        assert (rows.info, rows.notes) == (picture.info, picture.notes)
    height, width = picture.pixels.shape[:2]
    assert height * width <= MAX_PIXELS
    assert size(path) == (height, width)
    encoded(picture, "out.png")
    if picture.alpha is None and max(height, width) <= 65500:
        encoded(picture, "out.jpg")
    encoded(picture, "out.tif")
    return True


def whole(path: Path) -> Picture | ImageError:
    """The picture, or why it is refused."""
    try:
        return read(path, max_pixels=MAX_PIXELS)
    except ImageError as error:
        check_refusal(path, error)
        return error


def by_rows(path: Path) -> Picture | ImageError | None:
    """The picture, or why it is refused; None for a file that is not read by rows."""
    try:
        picture = large.read(path, max_pixels=MAX_PIXELS, above=0)
        return None if picture is None else picture.with_pixels(picture.pixels[:])
    except ImageError as error:
        check_refusal(path, error)
        return error


def check_refusal(path: Path, error: ImageError) -> None:
    assert "\n" not in str(error)
    assert str(error).startswith(f"{path}: ")
    assert "more memory" not in str(error)


def session(seconds: float, folder: Path, first: int) -> None:
    seeds = files()
    for name, content in seeds.items():
        (folder / name).write_bytes(content)
        assert survives(folder / name), name
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + ROOM, hard))
    end = time.monotonic() + seconds
    outcomes = {True: 0, False: 0}

    def case(damage: tuple[str, bytes]) -> None:
        name, content = damage
        path = folder / f"case-{name}"
        path.write_bytes(content)
        signal.setitimer(signal.ITIMER_REAL, HANG)  # which ends the process, whatever it is in
        outcomes[survives(path)] += 1
        signal.setitimer(signal.ITIMER_REAL, 0)
        path.unlink()

    seed = first
    while time.monotonic() < end:
        test = hypothesis.given(damaged(seeds))(case)
        few = hypothesis.settings(
            max_examples=200,
            deadline=None,
            database=None,
            phases=[hypothesis.Phase.generate, hypothesis.Phase.shrink],
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        hypothesis.seed(seed)(few(test))()
        seed += 1
    print(f"{outcomes[True]} read, {outcomes[False]} refused")


if __name__ == "__main__":
    session(float(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 0)
