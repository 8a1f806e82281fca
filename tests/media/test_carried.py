"""Metadata kept to the byte: texts, EXIF's directories, compression settings of a JPEG."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import icc
import imagecodecs
import numpy as np
import pytest
import tifffile
from media_files import Kind, chunk, make, with_chunks
from pictures import Base, Gps, Ifd, copied, coverage, metadata, saved, smooth
from PIL import Image
from PIL.JpegImagePlugin import get_sampling

from restore.errors import ImageError, UsageError
from restore.media import formats
from restore.media.formats import BY_SUFFIX, FORMATS
from restore.media.image import check_fits, encoded, read, write
from restore.media.io_options import IoOptions
from restore.media.picture import DEPTHS, DPI, EXIF, ICC, XMP, Picture

DEEP = (smooth().astype(np.uint16) * 257) ^ 0x5A

# PNG


TEXTS = (
    chunk(b"tEXt", b"Title\0caf\xe9"),
    chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"long " * 99)),
    chunk(b"iTXt", b"Author\0\0\0de\0\0" + "Müller".encode()),
    chunk(b"tEXt", b"Title\0said twice"),
)
SPACE = (
    chunk(b"gAMA", struct.pack(">I", 45455)),
    chunk(b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)),
    chunk(b"sRGB", b"\1"),
    chunk(b"cICP", bytes((1, 13, 0, 1))),
)


@pytest.mark.parametrize("pixels", [smooth(), DEEP], ids=["8", "16"])
def test_texts_and_gamma_of_a_png_are_kept_byte_for_byte(
    tmp_path: Path, pixels: np.ndarray
) -> None:
    content = imagecodecs.png_encode(pixels)
    # Some texts stand behind the pixels.
    content = with_chunks(content, {}, b"".join((*SPACE, *TEXTS[:2])))
    content = content[:-12] + b"".join(TEXTS[2:]) + content[-12:]
    (tmp_path / "in.png").write_bytes(content)
    written = copied(tmp_path / "in.png", tmp_path / "out.png").read_bytes()
    for one in (*TEXTS, *SPACE):
        assert written.count(one) == 1
    assert written.index(SPACE[0]) < written.index(b"IDAT")
    assert (
        read(tmp_path / "out.png").info["png_chunks"]
        == read(tmp_path / "in.png").info["png_chunks"]
    )
    assert check_fits(read(tmp_path / "in.png"), "out.jpg")[-1] == (
        "JPEG cannot store the texts of a PNG"
    )


def test_a_png_of_damaged_texts_is_a_picture_or_one_line(tmp_path: Path) -> None:
    bomb = zlib.compress(bytes(300 << 20), 9)
    content = imagecodecs.png_encode(smooth())
    (tmp_path / "in.png").write_bytes(with_chunks(content, {}, chunk(b"zTXt", b"a\0\0" + bomb)))
    with pytest.raises(ImageError, match=r"\A.*in.png: damaged: .*\Z"):
        read(tmp_path / "in.png")


def test_a_profile_of_megabytes_is_kept(tmp_path: Path) -> None:
    profile = icc.rgb(1.8) + np.random.default_rng(0).bytes(3 << 20)
    for format_ in (f for f in FORMATS if f.writable and ICC in f.keeps):
        path = tmp_path / f"out{format_.suffixes[0]}"
        write(Picture(smooth(), None, {ICC: profile}), path)
        assert read(path).info[ICC] == profile


# XMP and EXIF


@pytest.mark.parametrize(
    "suffix", [".png", ".jpg", ".webp", ".tif", ".avif", ".jp2", ".jxl", ".heic"]
)
@pytest.mark.parametrize(
    "said", ['tiff:Orientation="8"', "tiff:Orientation = '3'", "<tiff:Orientation>6</tiff:"]
)
def test_xmp_calls_the_picture_upright(tmp_path: Path, suffix: str, said: str) -> None:
    packet = f"<x:xmpmeta><rdf {said} rest</x:xmpmeta>".encode()
    format_ = BY_SUFFIX[suffix]
    exif = Image.Exif()
    exif[Base.Make], exif[Base.Orientation] = "Maker", 1
    carried = {XMP: packet, EXIF: exif.tobytes()}
    make(tmp_path / f"in{suffix}", Kind(format_, "8", smooth(), carried))
    upright = packet.translate(bytes.maketrans(b"3468", b"1111"))
    for path in (
        tmp_path / f"in{suffix}",
        copied(tmp_path / f"in{suffix}", tmp_path / f"out{suffix}"),
    ):
        assert read(path).info[XMP] == upright


def with_thumbnail() -> bytes:
    """EXIF of a camera, with a small picture in a second directory."""
    thumbnail = encoded(Picture(smooth(8, 8), None, {}), "small.jpg")
    first = struct.pack("<HHHI4s", 1, Base.Make, 2, 4, b"cam\0")
    second_at = 8 + len(first) + 4
    first += struct.pack("<I", second_at)
    data_at = second_at + 2 + 24 + 4
    second = struct.pack("<HHHII", 2, 513, 4, 1, data_at)
    second += struct.pack("<HHIII", 514, 4, 1, len(thumbnail), 0)
    return b"Exif\0\0II*\0\x08\0\0\0" + first + second + thumbnail


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif", ".avif"])
def test_the_thumbnail_of_the_old_picture_is_dropped(tmp_path: Path, suffix: str) -> None:
    exif = with_thumbnail()
    assert b"\xff\xd8\xff" in exif
    start = saved(tmp_path / "in.jpg", smooth(), exif=exif)
    with Image.open(start) as file:
        assert 513 in file.getexif().get_ifd(Ifd.IFD1)
    with Image.open(copied(start, tmp_path / f"out{suffix}")) as file:
        kept = file.getexif()
    assert kept[Base.Make] == "cam"
    assert not kept.get_ifd(Ifd.IFD1)
    assert b"\xff\xd8\xff" not in kept.tobytes()


@pytest.mark.parametrize("pixels", [smooth(), DEEP, DEEP / np.float32(65535)], ids=DEPTHS)
def test_a_tiff_has_the_directories_below_exif(tmp_path: Path, pixels: np.ndarray) -> None:
    write(Picture(pixels, None, {EXIF: metadata().tobytes(), XMP: b"<x/>"}), tmp_path / "in.tif")
    path = copied(tmp_path / "in.tif", tmp_path / "out.tif")
    with tifffile.TiffFile(path) as file:
        page = file.pages.first
        assert page.tags["Make"].value == "Maker"
        assert page.tags["ExifTag"].value["DateTimeOriginal"] == "2020:01:02 03:04:05"
        assert page.tags["GPSTag"].value["GPSLatitudeRef"] == "N"
        assert len(file.pages) == 1
        np.testing.assert_array_equal(page.asarray(), pixels)
    kept = Image.Exif()
    kept.load(read(path).info[EXIF])
    assert kept.get_ifd(Ifd.GPSInfo)[Gps.GPSLatitude] == (52.0, 30.0, 1.5)
    assert kept.get_ifd(Ifd.Exif)[Base.ExposureTime] == pytest.approx(0.01)


def test_what_is_too_long_for_a_jpeg_is_left_out_and_named(tmp_path: Path) -> None:
    exif = metadata()
    exif.get_ifd(Ifd.Exif)[Base.UserComment] = b"x" * 70_000
    picture = Picture(smooth(), None, {EXIF: exif.tobytes(), XMP: b"x" * 70_000})
    assert check_fits(picture, "out.jpg") == (
        "the EXIF is too long for JPEG and is not kept",
        "the XMP is too long for JPEG and is not kept",
    )
    write(picture, tmp_path / "out.jpg")
    assert not {EXIF, XMP} & set(read(tmp_path / "out.jpg").info)
    for suffix in (".png", ".tif", ".webp", ".jp2", ".jxl", ".avif", ".heic"):
        write(picture, tmp_path / f"out{suffix}")
        assert len(read(tmp_path / f"out{suffix}").info[XMP]) == 70_000


def test_a_resolution_without_a_unit_is_a_shape_and_not_kept(tmp_path: Path) -> None:
    for unit, expected in ((1, None), (2, (72.0, 72.0)), (3, (72 * 2.54, 72 * 2.54))):
        options = {"resolution": (72, 72), "resolutionunit": unit, "metadata": None}
        tifffile.imwrite(tmp_path / "in.tif", DEEP, photometric="rgb", **options)
        assert read(tmp_path / "in.tif").info.get(DPI) == pytest.approx(expected)


# How it was compressed


@pytest.mark.parametrize("quality", [30, 75, 98])
@pytest.mark.parametrize("sampling", ["4:4:4", "4:2:2", "4:2:0"])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_is_compressed_like_its_source(
    tmp_path: Path, quality: int, sampling: str, progressive: bool
) -> None:
    options = {"quality": quality, "subsampling": sampling, "progressive": progressive}
    start = saved(tmp_path / "in.jpg", smooth(), **options)
    with Image.open(start) as a, Image.open(copied(start, tmp_path / "out.jpg")) as b:
        assert b.quantization == a.quantization  # type: ignore[attr-defined]
        assert get_sampling(b) == get_sampling(a)


def quality_of(content: bytes) -> int:
    """By the tables that libjpeg has for each quality."""
    with Image.open(io.BytesIO(content)) as file:
        tables = file.quantization  # type: ignore[attr-defined]
    for quality in range(1, 101):
        buffer = io.BytesIO()
        Image.fromarray(smooth(8, 8)).save(buffer, "JPEG", quality=quality)
        with Image.open(buffer) as file:
            if file.quantization == tables:  # type: ignore[attr-defined]
                return quality
    raise AssertionError("no quality has these tables")


def test_quality_may_be_chosen(tmp_path: Path) -> None:
    start = saved(tmp_path / "in.jpg", smooth(), quality=60, subsampling=1)
    picture = IoOptions(encode_quality=20).read(start)
    content = encoded(picture, "out.jpg")
    assert quality_of(content) == 20
    with Image.open(io.BytesIO(content)) as file:
        assert get_sampling(file) == 1  # which was not asked about
    assert quality_of(encoded(read(start), "out.jpg")) == 60
    assert quality_of(encoded(Picture(smooth(), None, {}), "out.jpg")) == 95
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    for suffix in (".jpg", ".webp", ".avif", ".jxl", ".heic"):
        sizes = [
            len(encoded(Picture(noise, None, {"quality": quality}), f"out{suffix}"))
            for quality in (10, 95)
        ]
        assert sizes[0] < 0.7 * sizes[1], suffix


@pytest.mark.parametrize("alpha", [False, True])
def test_lossless_webp_stays_lossless(tmp_path: Path, alpha: bool) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (31, 33, 4 if alpha else 3), np.uint8)
    start = saved(tmp_path / "in.webp", noise, lossless=True, exact=True)
    again = read(copied(start, tmp_path / "out.webp"))
    np.testing.assert_array_equal(again.pixels, noise[..., :3])
    if alpha:
        assert again.alpha is not None
        np.testing.assert_array_equal(again.alpha, noise[..., 3])
    assert (
        len(encoded(IoOptions(encode_quality=50).read(start), "out.webp"))
        < 0.7 * start.stat().st_size
    )


@pytest.mark.parametrize("suffix", [".webp", ".avif", ".heic", ".png", ".jp2", ".jxl", ".tif"])
def test_alpha_of_every_value_is_exact(tmp_path: Path, suffix: str) -> None:
    cover = np.random.default_rng(0).integers(0, 256, (64, 65), np.uint8)
    write(Picture(smooth(64, 65), cover, {}), tmp_path / f"in{suffix}")
    again = read(copied(tmp_path / f"in{suffix}", tmp_path / f"out{suffix}")).alpha
    assert again is not None
    np.testing.assert_array_equal(again, cover)


# Options of the user


def test_more_bits_are_there_for_the_restoration(tmp_path: Path) -> None:
    start = saved(tmp_path / "in.png", np.dstack((smooth(), coverage())))
    picture = IoOptions(bit_depth="16").read(start)
    assert picture.pixels.dtype == np.uint16
    assert picture.alpha is not None
    np.testing.assert_array_equal(picture.pixels, smooth().astype(np.uint16) * 257)
    finer = picture.through(lambda seen: np.minimum(seen, 65000) + np.uint16(77))
    write(finer, tmp_path / "out.png")
    again = read(tmp_path / "out.png")
    np.testing.assert_array_equal(again.pixels, finer.pixels)
    assert again.alpha is not None
    np.testing.assert_array_equal(again.alpha, coverage().astype(np.uint16) * 257)


def test_fewer_bits_come_after_the_restoration(tmp_path: Path) -> None:
    write(Picture(DEEP, None, {}), tmp_path / "in.png")
    picture = IoOptions(bit_depth="8").read(tmp_path / "in.png")
    assert picture.pixels.dtype == np.uint16
    assert check_fits(picture, tmp_path / "out.png") == ()  # it was asked for
    write(picture, tmp_path / "out.png")
    expected = np.rint(DEEP / 257).astype(np.uint8)
    np.testing.assert_array_equal(read(tmp_path / "out.png").pixels, expected)


def test_floats_may_be_asked_for(tmp_path: Path) -> None:
    write(Picture(DEEP, None, {}), tmp_path / "in.png")
    picture = IoOptions(bit_depth="32f").read(tmp_path / "in.png")
    for suffix in (".tif", ".exr", ".pfm"):
        write(picture, tmp_path / f"out{suffix}")
        again = read(tmp_path / f"out{suffix}")
        assert again.pixels.dtype == np.float32
        back = IoOptions(bit_depth="16").read(tmp_path / f"out{suffix}")
        write(back, tmp_path / "back.png")
        np.testing.assert_array_equal(read(tmp_path / "back.png").pixels, DEEP)


@pytest.mark.parametrize("depth", DEPTHS)
def test_a_depth_that_a_format_has_not_is_refused(tmp_path: Path, depth: str) -> None:
    start = saved(tmp_path / "in.png", smooth())
    picture = IoOptions(bit_depth=depth).read(start)
    for format_ in FORMATS:
        target = tmp_path / f"out{format_.suffixes[0]}"
        if format_.holds(depth) and format_.writable:
            write(picture, target)
            assert read(target).pixels.dtype == DEPTHS[depth]
        elif format_.writable:
            with pytest.raises(ImageError, match=f"{format_.name} has no {depth} bits per channel"):
                check_fits(picture, target)


@pytest.mark.parametrize(
    ("choice", "told"),
    [
        ({"bit_depth": "12"}, "bit depth is '12'; use one of 8, 16, 32f"),
        ({"encode_quality": 0}, "encode quality is 0; it must be between 1 and 100"),
        ({"encode_quality": 101}, "encode quality is 101"),
        ({"max_pixels": 0}, "max pixels is 0; it must be positive"),
    ],
)
def test_a_choice_that_makes_no_sense_is_refused(choice: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        IoOptions(**choice)


def test_the_limit_of_pixels_may_be_chosen(tmp_path: Path) -> None:
    for format_ in FORMATS:
        if not format_.writable:
            continue
        path = tmp_path / f"in{format_.suffixes[0]}"
        write(Picture(smooth(), None, {}), path)
        assert IoOptions(max_pixels=40 * 56).read(path).pixels.shape[:2] == (40, 56)
        with pytest.raises(ImageError, match="has more than 2,239 pixels; refused"):
            IoOptions(max_pixels=40 * 56 - 1).read(path)


# Shapes


@pytest.mark.parametrize("shape", [(1, 1), (1, 20000), (20000, 1), (3, 1), (1, 4)], ids=str)
def test_any_shape_goes_through_every_format(tmp_path: Path, shape: tuple[int, int]) -> None:
    for format_ in FORMATS:
        if not format_.writable:
            continue
        for pixels in (np.full((*shape, 3), 77, np.uint8), np.full(shape, 77, np.uint8)):
            path = tmp_path / f"out{format_.suffixes[0]}"
            too_long = format_.longest is not None and max(shape) > format_.longest
            # HEVC's encoder refuses what is long and thin.
            if too_long or (format_ is formats.HEIF and max(shape) == 20000):
                with pytest.raises(ImageError, match=r"\A.*: (WEBP cannot hold|cannot be written)"):
                    write(Picture(pixels, None, {}), path)
                assert not path.exists()
                continue
            write(Picture(pixels, None, {}), path)
            again = read(path)
            assert again.pixels.shape[:2] == shape
            assert np.abs(again.in_8_bits().pixels.astype(int) - 77).max() <= 2, format_.name
            assert formats.of_target(path) is format_


CAPTIONS = b"\x1c\x02\x78\x00\x05Cat.."  # record 2, dataset 120: the caption


@pytest.mark.parametrize("source", [".jpg", ".tif"])
def test_captions_are_kept(tmp_path: Path, source: str) -> None:
    start = tmp_path / f"in{source}"
    if source == ".jpg":
        resource = b"8BIM\x04\x04\0\0" + struct.pack(">I", len(CAPTIONS)) + CAPTIONS
        body = b"Photoshop 3.0\0" + resource
        segment = b"\xff\xed" + struct.pack(">H", 2 + len(body)) + body
        Image.fromarray(smooth()).save(start, extra=segment)
    else:
        tags = [(33723, "B", len(CAPTIONS), CAPTIONS, True)]
        tifffile.imwrite(start, smooth(), photometric="rgb", extratags=tags, metadata=None)
    picture = read(start)
    for suffix in (".jpg", ".tif"):
        write(picture, tmp_path / f"out{suffix}")
        assert read(tmp_path / f"out{suffix}").info["iptc"] == CAPTIONS
    with Image.open(tmp_path / "out.jpg") as file:
        assert file.info["photoshop"][0x0404] == CAPTIONS
    assert check_fits(picture, tmp_path / "out.png") == ("PNG cannot store IPTC's captions",)
    long = Picture(smooth(), None, {"iptc": bytes(70_000)})
    assert "too long for JPEG" in check_fits(long, tmp_path / "long.jpg")[0]
    write(long, tmp_path / "long.jpg")


def test_a_bigtiff_says_what_it_loses(tmp_path: Path) -> None:
    path = tmp_path / "big.tif"
    extra = {"bigtiff": True, "extratags": [(274, "H", 1, 6, True)]}
    tifffile.imwrite(path, smooth(), photometric="rgb", metadata=None, **extra)
    picture = read(path)
    assert picture.notes == ("is a BigTIFF; its EXIF is not kept",)
    np.testing.assert_array_equal(picture.pixels, np.rot90(smooth(), -1))
