"""The many ways in which pictures are stored: inks, few bits, many pages, alpha of every sort."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import icc
import imagecodecs
import numpy as np
import OpenEXR
import pytest
import tifffile
from media_files import Kind, dng, jp2, temporary_exr, tiff
from pictures import copied, coverage, saved, smooth
from PIL import ExifTags, Image

from restore.errors import ImageError
from restore.media import formats
from restore.media.image import check_fits, read, size, write
from restore.media.picture import ICC, Picture

# Inks


def inks() -> np.ndarray:
    """H x W x 4, full scale is full ink."""
    return np.dstack((smooth()[..., ::-1] // 2, coverage() // 3))


def plainly(ink: np.ndarray) -> np.ndarray:
    light = 1 - ink / np.iinfo(ink.dtype).max
    return light[..., :3] * light[..., 3:]


def jpeg_of_inks(**options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(inks(), "CMYK").save(buffer, "JPEG", quality=100, subsampling=0, **options)
    return buffer.getvalue()


def ycck() -> bytes:
    """As Adobe writes it: paper is full scale, and the inks are stored as YCC."""
    made = imagecodecs.jpeg8_encode(
        255 - inks(), level=100, colorspace="CMYK", outcolorspace="YCCK", subsampling="444"
    )
    return bytes(made)


@pytest.mark.parametrize(
    "kind", ["CMYK JPEG", "YCCK JPEG", "CMYK TIFF", "16-bit TIFF", "JPEG 2000"]
)
@pytest.mark.parametrize("profile", [True, False], ids=["profile", "none"])
def test_inks_become_light(tmp_path: Path, kind: str, profile: bool) -> None:
    path, stored = tmp_path / "in", inks()
    given = icc.cmyk() if profile else None
    if kind == "CMYK JPEG":
        path.write_bytes(jpeg_of_inks(icc_profile=given))
    elif kind == "YCCK JPEG":
        content = ycck()
        if given:
            with_profile = b"\xff\xe2" + (len(given) + 16).to_bytes(2, "big")
            content = content[:2] + with_profile + b"ICC_PROFILE\0\1\1" + given + content[2:]
        path.write_bytes(content)
    elif kind == "JPEG 2000":
        if given:
            jp2(path, Kind(formats.JPEG2000, "8", stored, {ICC: given}))
        else:
            Image.fromarray(stored, "CMYK").save(path, "JPEG2000")
    else:
        stored = stored if kind == "CMYK TIFF" else stored.astype(np.uint16) * 257
        options = {"iccprofile": given} if given else {}
        tifffile.imwrite(path, stored, photometric="separated", metadata=None, **options)
    picture = read(path)
    assert picture.pixels.dtype == stored.dtype
    assert picture.alpha is None
    values = picture.pixels / np.iinfo(stored.dtype).max
    if not profile:
        assert "icc_profile" not in picture.info
        assert "approximate" in picture.notes[0]
        assert np.abs(values - plainly(stored)).mean() < 0.01
        return
    assert picture.notes == ("CMYK was converted to sRGB",)
    assert picture.info["icc_profile"][16:20] == b"RGB "
    # The profile of `icc.cmyk`: each ink takes 20 of L*, black 60, and all stays grey.
    lightness = 100 - (stored / np.iinfo(stored.dtype).max) @ np.array([20, 20, 20, 60])
    luminance = np.where(lightness > 8, ((lightness + 16) / 116) ** 3, lightness / 903.3)
    encoded = np.where(
        luminance < 0.0031308, 12.92 * luminance, 1.055 * luminance.clip(0) ** (1 / 2.4) - 0.055
    )
    assert np.abs(values - encoded[..., None]).mean() < 0.01
    assert np.ptp(values, axis=2).max() < 0.02


def test_a_profile_of_inks_that_is_none_is_said_not_to_work(tmp_path: Path) -> None:
    (tmp_path / "in.jpg").write_bytes(jpeg_of_inks(icc_profile=icc.rgb(2.2)))
    picture = read(tmp_path / "in.jpg")
    assert "without a valid profile" in picture.notes[0]
    assert "icc_profile" not in picture.info
    assert np.abs(picture.pixels / 255 - plainly(inks())).mean() < 0.01
    write(picture, tmp_path / "out.jpg")
    assert read(tmp_path / "out.jpg").notes == ()


# Bits


@pytest.mark.parametrize("bits", [9, 10, 12, 14])
def test_a_tiff_of_odd_bits_gets_the_white_of_16(tmp_path: Path, bits: int) -> None:
    full = (1 << bits) - 1
    values = np.linspace(0, full, 400).astype(np.uint16).reshape(20, 20)
    packed = {"compression": None, "bitspersample": bits}
    tifffile.imwrite(tmp_path / "in.tif", values, photometric="minisblack", metadata=None, **packed)
    expected = np.rint(values / full * 65535)
    np.testing.assert_array_equal(read(tmp_path / "in.tif").pixels, expected)


@pytest.mark.parametrize("bits", [1, 4, 8, 10, 12, 16])
def test_jpeg_2000_of_odd_bits_gets_the_white_of_8_or_16(tmp_path: Path, bits: int) -> None:
    full = (1 << bits) - 1
    dtype, white = (np.uint8, 255) if bits <= 8 else (np.uint16, 65535)
    values = np.linspace(0, full, 400).astype(dtype).reshape(20, 20)
    content = imagecodecs.jpeg2k_encode(values, level=0, bitspersample=bits, codecformat="jp2")
    (tmp_path / "in.jp2").write_bytes(content)
    picture = read(tmp_path / "in.jp2")
    assert picture.pixels.dtype == dtype
    np.testing.assert_array_equal(picture.pixels, np.rint(values / full * white))


@pytest.mark.parametrize("bits", [10, 12])
def test_an_avif_of_more_bits_is_read_with_all_of_them(tmp_path: Path, bits: int) -> None:
    full = (1 << bits) - 1
    values = np.linspace(0, full, 64 * 64 * 3).astype(np.uint16).reshape(64, 64, 3)
    content = imagecodecs.avif_encode(values, level=100, bitspersample=bits, pixelformat="444")
    (tmp_path / "in.avif").write_bytes(content)
    picture = read(tmp_path / "in.avif")
    assert np.abs(picture.pixels - values * (65535 / full)).max() <= 65535 / full
    assert len(np.unique(picture.pixels)) > 900
    notes = check_fits(picture, tmp_path / "out.avif")
    assert notes == ()


def test_a_palette_of_few_bits_becomes_colours(tmp_path: Path) -> None:
    for suffix, count in ((".png", 4), (".gif", 16), (".tif", 200), (".bmp", 2)):
        image = Image.fromarray(smooth()).quantize(count)
        picture = read(saved(tmp_path / f"in{suffix}", image))
        np.testing.assert_array_equal(picture.pixels, np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("compression", ["group3", "group4", "tiff_ccitt", "packbits", "raw"])
def test_a_fax_is_read(tmp_path: Path, compression: str) -> None:
    dots = smooth()[..., 0] > 100
    path = saved(tmp_path / "in.tif", Image.fromarray(dots), compression=compression)
    np.testing.assert_array_equal(read(path).pixels, np.where(dots, 255, 0))


@pytest.mark.parametrize("compression", ["jpeg", "tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_a_compressed_tiff_of_8_bits_is_read(tmp_path: Path, compression: str) -> None:
    options = {"quality": 95} if compression == "jpeg" else {}
    path = saved(tmp_path / "in.tif", smooth(), compression=compression, **options)
    apart = np.abs(read(path).pixels.astype(int) - smooth())
    assert apart.max() == 0 if compression != "jpeg" else apart.mean() < 4


# Alpha and other channels


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("grey", [False, True], ids=["colour", "grey"])
def test_colours_multiplied_by_alpha_are_divided_by_it(
    tmp_path: Path, kind: Any, grey: bool
) -> None:
    full = 1.0 if kind == np.float32 else float(np.iinfo(kind).max)
    colour = (smooth() / 255)[..., :1] if grey else smooth() / 255
    alpha = coverage() / 255
    stored = np.dstack((colour * alpha[..., None], alpha)) * full
    stored = stored.astype(kind) if kind == np.float32 else np.rint(stored).astype(kind)
    tifffile.imwrite(
        tmp_path / "in.tif",
        stored,
        photometric="minisblack" if grey else "rgb",
        planarconfig="contig",
        extrasamples=["assocalpha"],
        metadata=None,
    )
    picture = read(tmp_path / "in.tif")
    assert picture.notes == ("its premultiplied colours were divided by their alpha",)
    assert picture.alpha is not None
    np.testing.assert_array_equal(picture.alpha, stored[..., -1])
    pixels = picture.pixels[..., None] if grey else picture.pixels
    apart = np.abs(pixels / full - colour)[alpha > 0.2]
    assert apart.max() < (2e-6 if kind == np.float32 else 3 / full)


def test_channels_beside_the_colours_are_named(tmp_path: Path) -> None:
    for kind in (np.uint8, np.uint16):
        stored = np.dstack((smooth(), coverage(), coverage())).astype(kind)
        tifffile.imwrite(
            tmp_path / "in.tif",
            stored,
            photometric="rgb",
            extrasamples=["unspecified", "unspecified"],
            metadata=None,
        )
        picture = read(tmp_path / "in.tif")
        assert picture.notes == ("holds 2 more channels, which are not kept",)
        np.testing.assert_array_equal(picture.pixels, stored[..., :3])
        assert picture.alpha is None


def test_an_absurd_number_of_channels_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    kind = Kind(formats.TIFF, "16", smooth().astype(np.uint16), {})
    tiff(tmp_path / "in.tif", kind)
    content = bytearray((tmp_path / "in.tif").read_bytes())
    at = content.index(b"\x15\x01\x03\0\1\0\0\0\3\0")  # the number of samples a pixel
    content[at + 8 : at + 10] = b"\xff\xff"
    (tmp_path / "in.tif").write_bytes(content)
    with pytest.raises(ImageError, match="holds 65535 channels in 1 layers"):
        read(tmp_path / "in.tif")


def test_an_exr_without_colours_is_refused(tmp_path: Path) -> None:
    (tmp_path / "in.exr").write_bytes(temporary_exr(Z=np.ones((4, 4), np.float32)))
    with pytest.raises(ImageError, match=r"has the channels Z; R, G, B or Y are supported\Z"):
        read(tmp_path / "in.exr")


# More than one picture in a file


def several(path: Path, **options: Any) -> Path:
    first, second = Image.fromarray(smooth()), Image.fromarray(255 - smooth())
    first.save(path, save_all=True, append_images=[second, first], **options)
    return path


@pytest.mark.parametrize("suffix", [".tif", ".gif", ".webp", ".png", ".avif"])
def test_the_first_of_several_pictures_is_taken_and_that_is_said(
    tmp_path: Path, suffix: str
) -> None:
    options = {"lossless": True} if suffix == ".webp" else {}
    picture = read(several(tmp_path / f"in{suffix}", **options))
    assert picture.notes == ("holds 3 pictures; only the first is read",)
    exact = suffix in (".tif", ".webp", ".png")
    apart = np.abs(picture.pixels.astype(int) - smooth())
    assert apart.max() == 0 if exact else apart.mean() < 12


def test_pages_of_16_bits_are_counted_too(tmp_path: Path) -> None:
    pages = np.stack([smooth().astype(np.uint16)] * 2)
    tifffile.imwrite(tmp_path / "in.tif", pages, photometric="rgb", metadata=None)
    picture = read(tmp_path / "in.tif")
    assert picture.notes == ("holds 2 pictures; only the first is read",)
    np.testing.assert_array_equal(picture.pixels, pages[0])


def test_a_gif_of_few_colours_is_exact(tmp_path: Path) -> None:
    pixels = smooth() & 0xC0
    alpha = np.where(coverage() > 99, 255, 0).astype(np.uint8)
    write(Picture(pixels, alpha, {}), tmp_path / "out.gif")
    again = read(copied(tmp_path / "out.gif", tmp_path / "again.gif"))
    assert again.alpha is not None
    np.testing.assert_array_equal(again.alpha, alpha)
    np.testing.assert_array_equal(again.pixels[alpha > 0], pixels[alpha > 0])


def test_a_gif_has_no_half_transparency(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="GIF cannot keep the picture's transparency"):
        write(Picture(smooth(), coverage(), {}), tmp_path / "out.gif")


# Cameras' raw files


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_raw_file_is_developed(tmp_path: Path, orientation: int) -> None:
    (tmp_path / "in.dng").write_bytes(dng(orientation))
    picture = read(tmp_path / "in.dng")
    assert picture.pixels.dtype == np.uint16
    upright = (48, 64) if orientation == 1 else (64, 48)
    assert picture.pixels.shape == (*upright, 3)
    assert size(tmp_path / "in.dng") == upright
    assert picture.notes == ("was developed with the camera's white balance, as sRGB",)
    assert len(np.unique(picture.pixels)) > 1000
    # Brightness grows from left to right, wherever that is after turning.
    grey = picture.pixels.mean(axis=2)
    ends = (grey[:, 4], grey[:, -5]) if orientation == 1 else (grey[4], grey[-5])
    assert ends[0].mean() < ends[1].mean()
    kept = Image.Exif()
    kept.load(picture.info["exif"])
    assert kept[ExifTags.Base.Make] == "Maker"
    assert ExifTags.Base.Orientation not in kept
    write(picture, tmp_path / "out.tif")
    np.testing.assert_array_equal(read(tmp_path / "out.tif").pixels, picture.pixels)
    with pytest.raises(ImageError, match="has more than 3,071 pixels; refused"):
        read(tmp_path / "in.dng", max_pixels=48 * 64 - 1)


def test_a_raw_file_that_is_none_is_refused_in_one_line(tmp_path: Path) -> None:
    for content in (b"", b"x" * 5000, dng()[:300], dng()[:3000]):
        (tmp_path / "in.dng").write_bytes(content)
        with pytest.raises(ImageError, match=r"\A.*in.dng: .+\Z"):
            read(tmp_path / "in.dng")


def test_attributes_and_windows_of_an_exr_are_kept(tmp_path: Path) -> None:
    window, display = np.array([[5, 6], [60, 45]], np.int32), np.array([[0, 0], [99, 79]], np.int32)
    header = {
        "compression": OpenEXR.ZIP_COMPRESSION,
        "type": OpenEXR.scanlineimage,
        "dataWindow": tuple(window),
        "displayWindow": tuple(display),
        "owner": "Ann",
        "chromaticities": (0.68, 0.32, 0.265, 0.69, 0.15, 0.06, 0.3127, 0.329),
    }
    grey = (smooth()[..., 0] / np.float32(255)).astype(np.float32)
    OpenEXR.File(header, {"Y": grey}).write(str(tmp_path / "in.exr"))
    picture = read(tmp_path / "in.exr")
    assert picture.notes == ()
    write(picture, tmp_path / "out.exr")
    with OpenEXR.File(str(tmp_path / "out.exr")) as file:
        made = dict(file.header())
    for name in ("dataWindow", "displayWindow"):
        np.testing.assert_array_equal(np.array(made[name]), np.array(header[name]))
    assert made["owner"] == "Ann"
    assert made["chromaticities"][0] == pytest.approx(0.68)
    assert check_fits(picture, "o.tif") == (
        "TIFF cannot store the attributes chromaticities, owner of an EXR",
        "TIFF cannot store the place of an EXR in a larger display window",
    )
