"""Pictures of 16 bits a channel: every level, through every format that has them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import cv2
import imagecodecs
import numpy as np
import pytest
import tifffile
from pictures import ICC, png
from PIL import ExifTags, Image, ImageOps

from restore.errors import ImageError
from restore.media.assembly import upright
from restore.media.image import encoded, read, write
from restore.media.picture import Picture

ALPHA = [".png", ".tif", ".jp2"]


def levels(*channels: int) -> np.ndarray:
    """256 x 256 (x channels) pixels: every channel holds each of the 65,536 levels once."""
    ramp = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    if not channels:
        return ramp
    return np.dstack([np.roll(ramp, 1000 * i) for i in range(channels[0])])


@pytest.mark.parametrize("suffix", [".png", ".tif", ".ppm", ".jp2"])
@pytest.mark.parametrize("grey", [False, True], ids=["colour", "grey"])
def test_every_level_survives(tmp_path: Path, suffix: str, grey: bool) -> None:
    pixels = levels() if grey else levels(3)
    write(Picture(pixels, None, {}), tmp_path / f"out{suffix}")
    again = read(tmp_path / f"out{suffix}")
    assert again.pixels.dtype == np.uint16
    assert again.alpha is None
    np.testing.assert_array_equal(again.pixels, pixels)
    other = cv2.imread(str(tmp_path / f"out{suffix}"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(other if grey else other[..., ::-1], pixels)


@pytest.mark.parametrize("suffix", ALPHA)
@pytest.mark.parametrize("grey", [False, True], ids=["colour", "grey"])
def test_alpha_survives(tmp_path: Path, suffix: str, grey: bool) -> None:
    pixels, alpha = (levels() if grey else levels(3)), levels()[::-1].copy()
    write(Picture(pixels, alpha, {}), tmp_path / f"out{suffix}")
    again = read(tmp_path / f"out{suffix}")
    assert again.alpha is not None
    np.testing.assert_array_equal(again.pixels, pixels)
    np.testing.assert_array_equal(again.alpha, alpha)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_what_opencv_writes_is_read(tmp_path: Path, suffix: str, channels: int) -> None:
    stored = levels(4)[..., :channels]
    cv2.imwrite(str(tmp_path / f"in{suffix}"), stored)
    picture = read(tmp_path / f"in{suffix}")
    colour = stored[..., 0] if channels == 1 else stored[..., 2::-1]
    np.testing.assert_array_equal(picture.pixels, colour)
    assert (picture.alpha is None) == (channels < 4)
    if picture.alpha is not None:
        np.testing.assert_array_equal(picture.alpha, stored[..., 3])


def test_a_grey_png_with_alpha_is_read(tmp_path: Path) -> None:
    (tmp_path / "in.png").write_bytes(png(4, 4, 16, 4, bytes(4 * (1 + 4 * 4))))
    picture = read(tmp_path / "in.png")
    assert picture.pixels.shape == (4, 4)
    assert picture.alpha is not None


@pytest.mark.parametrize("compression", [None, "lzw", "zlib", "packbits"])
@pytest.mark.parametrize("extra", [{}, {"planarconfig": "separate"}, {"tile": (64, 64)}], ids=str)
def test_a_scanners_tiff_is_read(tmp_path: Path, compression: str, extra: dict[str, Any]) -> None:
    pixels = levels(3)
    stored = np.moveaxis(pixels, 2, 0) if "planarconfig" in extra else pixels
    path = tmp_path / "scan.tif"
    tifffile.imwrite(
        path, stored, photometric="rgb", compression=compression, metadata=None, **extra
    )
    np.testing.assert_array_equal(read(path).pixels, pixels)


def test_white_may_be_zero(tmp_path: Path) -> None:
    path = tmp_path / "negative.tif"
    tifffile.imwrite(path, 65535 - levels(), photometric="miniswhite", metadata=None)
    np.testing.assert_array_equal(read(path).pixels, levels())


def test_a_ppm_may_have_its_own_white(tmp_path: Path) -> None:
    path = tmp_path / "odd.pgm"
    values = np.array([[0, 511, 1023]], ">u2")
    path.write_bytes(b"P5 # of a camera\n3 1\n1023\n" + values.tobytes())
    assert read(path).pixels.tolist() == [[0, round(511 * 65535 / 1023), 65535]]


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_profile_and_resolution_survive(tmp_path: Path, suffix: str) -> None:
    info = {"icc_profile": ICC, "dpi": (300.0, 150.0)}
    write(Picture(levels(3), None, info), tmp_path / f"out{suffix}")
    again = read(tmp_path / f"out{suffix}").info
    assert again["icc_profile"] == ICC
    assert again["dpi"] == pytest.approx((300, 150), abs=0.02)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_once(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    exif[ExifTags.Base.Make] = "Camera"
    pixels = levels(3)[:100]
    write(Picture(pixels, None, {"exif": exif.tobytes()}), tmp_path / "on-its-side.png")
    again = read(tmp_path / "on-its-side.png")
    small = Image.fromarray((pixels >> 8).astype(np.uint8))
    small.getexif()[ExifTags.Base.Orientation] = orientation
    expected = np.asarray(ImageOps.exif_transpose(small))
    np.testing.assert_array_equal((again.pixels >> 8).astype(np.uint8), expected)
    write(again, tmp_path / "upright.png")
    with Image.open(tmp_path / "upright.png") as file:
        kept = file.getexif()
    assert kept[ExifTags.Base.Make] == "Camera"
    assert ExifTags.Base.Orientation not in kept
    np.testing.assert_array_equal(upright(pixels, orientation), again.pixels)


@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".bmp"])
def test_formats_of_8_bits_get_the_picture_rounded(tmp_path: Path, suffix: str) -> None:
    flat = np.full((16, 16, 3), 128 * 257 + 100, np.uint16)
    write(Picture(flat, np.full((16, 16), 65535, np.uint16), {}), tmp_path / f"out{suffix}")
    assert set(read(tmp_path / f"out{suffix}").pixels.flatten().tolist()) == {128}
    eight = Picture(levels(), levels(), {}).in_8_bits()
    np.testing.assert_array_equal(eight.pixels, np.rint(levels() / 257).astype(np.uint8))


def test_transparency_is_not_lost_in_a_format_without_it(tmp_path: Path) -> None:
    alpha = np.full((256, 256), 65535, np.uint16)
    alpha[0, 0] = 65000
    with pytest.raises(ImageError, match="cannot keep the picture's transparency"):
        write(Picture(levels(3), alpha, {}), tmp_path / "out.ppm")


def test_a_file_in_memory_is_the_same(tmp_path: Path) -> None:
    picture = Picture(levels(3), None, {"dpi": (72.0, 72.0)})
    write(picture, tmp_path / "out.png")
    assert encoded(picture, "out.png") == (tmp_path / "out.png").read_bytes()


def tiff(**options: Any) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, metadata=None, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (tiff(data=levels().astype(np.uint32)), "uint32 pixels of 32 bits"),
        (tiff(data=levels().astype(np.int16)), "int16"),
        (tiff(data=levels(3), photometric="cielab"), "CIELAB pixels"),
    ],
    ids=["32 bits", "signed", "Lab"],
)
def test_other_deep_pictures_are_refused(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "deep.tif"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=told) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize("part", [0.3, 0.6, 0.95])
@pytest.mark.parametrize("kind", ["png", "tiff", "raw tiff", "ppm"])
def test_a_file_that_ends_early_is_refused(tmp_path: Path, kind: str, part: float) -> None:
    content = {
        "png": lambda: imagecodecs.png_encode(levels(3)),
        "tiff": lambda: tiff(data=levels(3), photometric="rgb", compression="zlib"),
        "raw tiff": lambda: tiff(data=levels(3), photometric="rgb"),
        "ppm": lambda: b"P6 256 256 65535\n" + levels(3).astype(">u2").tobytes(),
    }[kind]()
    path = tmp_path / "half"
    path.write_bytes(content[: int(part * len(content))])
    with pytest.raises(ImageError):
        read(path)
