"""Pixels and alpha of 8-bit pictures, through every format."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pictures import (
    ALPHA,
    LOSSLESS,
    LOSSY,
    coverage,
    saved,
    smooth,
)
from PIL import Image

from restore.errors import ImageError
from restore.media.formats import BY_SUFFIX
from restore.media.image import check_target, read, write
from restore.media.picture import Picture

# Pixels


@pytest.mark.parametrize("suffix", LOSSLESS)
@pytest.mark.parametrize("grey", [False, True], ids=["colour", "grey"])
def test_lossless_formats_keep_every_pixel(tmp_path: Path, suffix: str, grey: bool) -> None:
    pixels = smooth()[..., 0] if grey else smooth()
    write(Picture(pixels, None, {}), tmp_path / f"out{suffix}")
    again = read(tmp_path / f"out{suffix}")
    np.testing.assert_array_equal(again.pixels, pixels)
    assert again.pixels.dtype == np.uint8
    assert again.alpha is None
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / f"out{suffix}")), pixels)


@pytest.mark.parametrize("suffix", LOSSY)
@pytest.mark.parametrize("grey", [False, True], ids=["colour", "grey"])
def test_lossy_formats_keep_the_picture(tmp_path: Path, suffix: str, grey: bool) -> None:
    pixels = smooth()[..., 0] if grey else smooth()
    write(Picture(pixels, None, {}), tmp_path / f"out{suffix}")
    again = read(tmp_path / f"out{suffix}").pixels
    if grey and suffix == ".webp":  # which has no grey
        again = again[..., 1]
    assert again.shape == pixels.shape
    assert np.abs(again.astype(int) - pixels).mean() < 2


@pytest.mark.parametrize("suffix", ALPHA)
@pytest.mark.parametrize("grey", [False, True], ids=["colour", "grey"])
def test_alpha_is_kept_exactly(tmp_path: Path, suffix: str, grey: bool) -> None:
    pixels = smooth()[..., 0] if grey else smooth()
    write(Picture(pixels, coverage(), {}), tmp_path / f"out{suffix}")
    again = read(tmp_path / f"out{suffix}")
    assert again.alpha is not None
    np.testing.assert_array_equal(again.alpha, coverage())
    if suffix != ".webp":
        np.testing.assert_array_equal(again.pixels, pixels)


@pytest.mark.parametrize("suffix", ALPHA)
def test_colours_that_alpha_hides_are_kept(tmp_path: Path, suffix: str) -> None:
    write(Picture(smooth(), np.zeros((40, 56), np.uint8), {}), tmp_path / f"out{suffix}")
    again = read(tmp_path / f"out{suffix}").pixels
    assert np.abs(again.astype(int) - smooth()).mean() < 4


@pytest.mark.parametrize("suffix", [".PNG", ".Jpg", ".TIFF", ".WebP"])
def test_suffixes_may_be_in_capitals(tmp_path: Path, suffix: str) -> None:
    check_target(tmp_path / f"out{suffix}")
    write(Picture(smooth(), None, {}), tmp_path / f"out{suffix}")
    with Image.open(tmp_path / f"out{suffix}") as file:
        assert file.format == BY_SUFFIX[suffix.lower()].name
    assert read(tmp_path / f"out{suffix}").pixels.shape == (40, 56, 3)


def test_the_content_decides_what_a_file_is_not_its_name(tmp_path: Path) -> None:
    path = saved(tmp_path / "photo.jpg", smooth(), format="PNG")
    np.testing.assert_array_equal(read(path).pixels, smooth())


def test_writing_leaves_the_picture_as_it_is(tmp_path: Path) -> None:
    pixels, alpha = smooth(), coverage()
    pixels.setflags(write=False)
    picture = Picture(pixels, alpha, {"dpi": (300, 300)})
    for suffix in ALPHA:
        write(picture, tmp_path / f"out{suffix}")
    np.testing.assert_array_equal(pixels, smooth())
    np.testing.assert_array_equal(alpha, coverage())
    assert picture.info == {"dpi": (300, 300)}


def test_arrays_need_not_lie_in_one_piece(tmp_path: Path) -> None:
    view = smooth()[::-1, ::2]
    write(Picture(view, None, {}), tmp_path / "out.png")
    np.testing.assert_array_equal(read(tmp_path / "out.png").pixels, view)


# The many ways to store 8 bits


def test_palettes_become_colours(tmp_path: Path) -> None:
    image = Image.fromarray(smooth()).quantize(16)
    picture = read(saved(tmp_path / "in.png", image))
    assert picture.alpha is None
    np.testing.assert_array_equal(picture.pixels, np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("transparent", [3, bytes(range(0, 256, 16))], ids=["one", "each"])
def test_palettes_may_hold_transparency(tmp_path: Path, transparent: int | bytes) -> None:
    image = Image.fromarray(smooth()).quantize(16)
    picture = read(saved(tmp_path / "in.png", image, transparency=transparent))
    index = np.asarray(image)
    expected = np.where(index == 3, 0, 255) if transparent == 3 else 16 * index
    np.testing.assert_array_equal(picture.pixels, np.asarray(image.convert("RGB")))
    assert picture.alpha is not None
    np.testing.assert_array_equal(picture.alpha, expected)


@pytest.mark.parametrize("grey", [False, True], ids=["colour", "grey"])
def test_one_colour_may_stand_for_transparency(tmp_path: Path, grey: bool) -> None:
    pixels = smooth()[..., 0] if grey else smooth()
    colour = pixels[7, 9]
    transparency = int(colour) if grey else tuple(int(c) for c in colour)
    picture = read(saved(tmp_path / "in.png", pixels, transparency=transparency))
    hidden = pixels == colour if grey else (pixels == colour).all(axis=2)
    np.testing.assert_array_equal(picture.pixels, pixels)
    assert picture.alpha is not None
    np.testing.assert_array_equal(picture.alpha, np.where(hidden, 0, 255))


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp"])
def test_one_bit_becomes_black_and_white(tmp_path: Path, suffix: str) -> None:
    dots = smooth()[..., 0] > 100
    picture = read(saved(tmp_path / f"in{suffix}", Image.fromarray(dots)))
    np.testing.assert_array_equal(picture.pixels, np.where(dots, 255, 0))
    assert picture.alpha is None


def test_a_jpeg_with_more_pictures_behind_it_is_a_jpeg(tmp_path: Path) -> None:
    # As phones write for depth and brightness; Pillow calls it MPO.
    first, second = Image.fromarray(smooth()), Image.fromarray(255 - smooth())
    path = saved(tmp_path / "in.jpg", first, format="MPO", save_all=True, append_images=[second])
    picture = read(path)
    assert np.abs(picture.pixels.astype(int) - smooth()).mean() < 4
    assert picture.info["jpeg_sampling"] == 2


def test_other_colours_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "in.tif", Image.new("LAB", (8, 8)))
    with pytest.raises(ImageError, match=r"\A.*in.tif: holds LAB pixels; grey, RGB and CMYK .*\Z"):
        read(path)
