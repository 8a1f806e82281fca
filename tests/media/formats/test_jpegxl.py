"""JPEG XL: colour, depth and metadata, compared with libjxl by way of another library."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import icc
import imagecodecs
import numpy as np
import pytest
from command import restore
from media_files import Kind, box, chunk, jxl, with_chunks
from models import save_model
from pictures import copied, coverage, metadata, saved, smooth
from PIL import Image, ImageCms

from restore.errors import ImageError
from restore.media import formats, light
from restore.media.code_points import CodePoints, profile
from restore.media.formats.jpegxl.bit_stream import BitReader
from restore.media.formats.jpegxl.code_stream_header import Depth, JxlColour, read_header
from restore.media.formats.jpegxl.container import read_container
from restore.media.formats.jpegxl.header_edit import rewritten
from restore.media.image import check_fits, read, size, write
from restore.media.io_options import IoOptions
from restore.media.picture import BITS, CICP, EXIF, ICC, XMP, Picture

pillow_jxl = pytest.importorskip("pillow_jxl", reason="needs pillow-jxl-plugin")
PIXELS = smooth(80, 112)
NOISE = np.random.default_rng(0).integers(0, 256, (64, 72, 3), np.uint8)
P3_PROFILE = profile(CodePoints(12, 13)) or b""
HEAD = b"\0\0\0\x0cJXL \r\n\x87\n" + box(b"ftyp", b"jxl \0\0\0\0jxl ")


def by_libjxl(path: Path) -> tuple[np.ndarray, bytes]:
    """Pixels of 8 bits in colour, and the profile, by another library."""
    jpeg, about, data, found, _ = pillow_jxl.Decoder(num_threads=1)(path.read_bytes())
    assert not jpeg
    return np.frombuffer(data, np.uint8).reshape(about.height, about.width, -1), bytes(found)


def transcoded(profile: bytes) -> bytes:
    """A JPEG whose coefficients libjxl stores as JPEG XL, with the profile in its own coding."""
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).save(buffer, "JPEG", icc_profile=profile, quality=95)
    return bytes(imagecodecs.jpegxl_encode_jpeg(buffer.getvalue()))


def profiles() -> list[bytes]:
    """Profiles of matrices, of text, of tables, and one that nothing predicts."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    table = b"".join(int(65535 * (i / 1023) ** 2.2).to_bytes(2, "big") for i in range(1024))
    curve = b"curv\0\0\0\0" + (1024).to_bytes(4, "big") + table
    noise = np.random.default_rng(1).bytes(5000)
    return [srgb, P3_PROFILE, icc.rgb(1.8), icc.rgb(1.8) + curve, icc.rgb(2.2) + noise]


@pytest.mark.parametrize("place", range(5))
def test_profiles_are_read_as_libjxl_wrote_them(tmp_path: Path, place: int) -> None:
    known = profiles()[place]
    (tmp_path / "in.jxl").write_bytes(transcoded(known))
    picture = read(tmp_path / "in.jxl")
    assert picture.info[ICC] == known
    assert not picture.info["lossless"]
    assert np.abs(picture.pixels.astype(int) - PIXELS).mean() < 3


@pytest.mark.parametrize("place", range(5))
def test_libjxl_reads_profiles_that_are_written(tmp_path: Path, place: int) -> None:
    known = profiles()[place]
    write(Picture(PIXELS, None, {ICC: known}), tmp_path / "out.jxl")
    pixels, found = by_libjxl(tmp_path / "out.jxl")
    assert found == known
    np.testing.assert_array_equal(pixels, PIXELS)


@pytest.mark.parametrize("points", [CodePoints(12, 13), CodePoints(9, 1)], ids=str)
@pytest.mark.parametrize("quality", [None, 95])
def test_code_points_are_those_that_libjxl_finds(
    tmp_path: Path, points: CodePoints, quality: int | None
) -> None:
    info = {CICP: points} | ({} if quality is None else {"quality": quality})
    write(Picture(PIXELS, None, info), tmp_path / "out.jxl")
    pixels, found = by_libjxl(tmp_path / "out.jxl")
    assert np.abs(pixels.astype(int) - PIXELS).mean() < 2
    expected = ImageCms.ImageCmsProfile(io.BytesIO(profile(points) or b"")).profile
    made = ImageCms.ImageCmsProfile(io.BytesIO(found)).profile
    for name in ("red_colorant", "green_colorant", "blue_colorant"):
        np.testing.assert_allclose(getattr(made, name)[0], getattr(expected, name)[0], atol=2e-3)
    assert read(tmp_path / "out.jxl").info[CICP][:2] == points[:2]


@pytest.mark.parametrize("transfer", [16, 18], ids=["PQ", "HLG"])
@pytest.mark.parametrize("quality", [None, 97])
def test_hdr_is_stated_and_its_values_are_kept(
    tmp_path: Path, transfer: int, quality: int | None
) -> None:
    y, x = np.mgrid[:80, :112]
    deep = np.dstack((x / 250 + 0.2, y / 200 + 0.2, (x + y) / 500 + 0.25))
    deep = np.rint(deep * 65535).astype(np.uint16)
    chunks = chunk(b"cICP", bytes((9, transfer, 0, 1)))
    (tmp_path / "in.png").write_bytes(with_chunks(imagecodecs.png_encode(deep), {}, chunks))
    picture = IoOptions(encode_quality=quality).read(tmp_path / "in.png")
    write(picture, tmp_path / "out.jxl")
    again = read(tmp_path / "out.jxl")
    assert again.info[CICP][:2] == (9, transfer)
    by_decoder = imagecodecs.jpegxl_decode((tmp_path / "out.jxl").read_bytes())
    apart = np.abs(by_decoder.astype(int) - deep)
    assert apart.max() == 0 if quality is None else apart.mean() < 400
    header = read_header(read_container((tmp_path / "out.jxl").read_bytes()).code_stream)
    assert header.peak == (10_000 if transfer == 16 else 1000)


def test_a_lossy_file_with_a_profile_shows_the_same_colours(tmp_path: Path) -> None:
    """Libjxl stores such colours as XYB and shows them in the linear light of sRGB."""
    write(Picture(PIXELS, coverage(80, 112), {ICC: P3_PROFILE, "quality": 97}), tmp_path / "o.jxl")
    shown = imagecodecs.jpegxl_decode((tmp_path / "o.jxl").read_bytes())
    source = ImageCms.ImageCmsProfile(io.BytesIO(P3_PROFILE))
    srgb = ImageCms.createProfile("sRGB")
    expected = np.asarray(ImageCms.profileToProfile(Image.fromarray(PIXELS), source, srgb))
    seen = light.encode(np.float32(shown[..., :3] / 255)) * 255
    assert np.abs(seen - expected).mean() < 3
    again = read(tmp_path / "o.jxl")
    assert again.info[ICC] == P3_PROFILE
    assert np.abs(again.pixels.astype(int) - PIXELS).mean() < 2
    assert again.alpha is not None
    np.testing.assert_array_equal(again.alpha, coverage(80, 112))


def test_a_profile_that_cannot_be_applied_is_kept_with_exact_pixels(tmp_path: Path) -> None:
    unusable = bytearray(P3_PROFILE)
    unusable[16:20] = b"Lab "
    write(Picture(PIXELS, None, {ICC: bytes(unusable), "quality": 90}), tmp_path / "o.jxl")
    again = read(tmp_path / "o.jxl")
    np.testing.assert_array_equal(again.pixels, PIXELS)
    assert again.info[ICC] == unusable
    code = bytes(imagecodecs.jpegxl_encode(PIXELS, 97))
    (tmp_path / "o.jxl").write_bytes(rewritten(code, profile=bytes(unusable)))
    again = read(tmp_path / "o.jxl")
    assert again.notes == ("its colour profile cannot be applied: colours are sRGB",)
    assert np.abs(again.pixels.astype(int) - PIXELS).mean() < 2
    assert ICC not in again.info


@pytest.mark.parametrize("bits", [9, 10, 12, 14])
def test_depths_between_8_and_16_bits_stay(tmp_path: Path, bits: int) -> None:
    stored = (NOISE.astype(np.uint16) << (bits - 8)) + 1
    content = imagecodecs.jpegxl_encode(stored, lossless=True, bitspersample=bits)
    (tmp_path / "in.jxl").write_bytes(content)
    assert read(tmp_path / "in.jxl").info[BITS] == bits
    copied(tmp_path / "in.jxl", tmp_path / "out.jxl")
    again = (tmp_path / "out.jxl").read_bytes()
    np.testing.assert_array_equal(imagecodecs.jpegxl_decode(again), stored)
    assert read_header(read_container(again).code_stream).depth == Depth(bits)
    write(read(tmp_path / "in.jxl"), tmp_path / "out.png")
    shown = imagecodecs.png_decode((tmp_path / "out.png").read_bytes())
    np.testing.assert_array_equal(np.rint(shown / 65535 * ((1 << bits) - 1)), stored)


def test_few_bits_and_half_floats_are_read(tmp_path: Path) -> None:
    content = imagecodecs.jpegxl_encode(NOISE >> 4, lossless=True, bitspersample=4)
    (tmp_path / "in.jxl").write_bytes(content)
    np.testing.assert_array_equal(read(tmp_path / "in.jxl").pixels, (NOISE >> 4) * 17)
    halves = (NOISE / 200).astype(np.float16)
    (tmp_path / "in.jxl").write_bytes(imagecodecs.jpegxl_encode(halves, lossless=True))
    picture = read(tmp_path / "in.jxl")
    np.testing.assert_array_equal(picture.pixels, halves.astype(np.float32))
    assert picture.is_linear


def test_pictures_of_16_bits_are_stated_as_encoded(tmp_path: Path) -> None:
    """Imagecodecs calls them linear."""
    write(Picture(NOISE.astype(np.uint16) * 257, None, {}), tmp_path / "out.jxl")
    header = read_header(read_container((tmp_path / "out.jxl").read_bytes()).code_stream)
    assert header.colour == JxlColour()
    assert not read(tmp_path / "out.jxl").is_linear


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32], ids=["8", "16", "32f"])
def test_lossless_stays_lossless_and_lossy_its_size(tmp_path: Path, dtype: Any) -> None:
    pixels = NOISE.astype(dtype) if dtype == np.uint8 else NOISE.astype(dtype) * dtype(257)
    pixels = pixels / np.float32(65535) * 2 - 0.5 if dtype == np.float32 else pixels
    write(Picture(pixels, None, {}), tmp_path / "in.jxl")
    again = read(copied(tmp_path / "in.jxl", tmp_path / "out.jxl"))
    np.testing.assert_array_equal(again.pixels, pixels)
    for quality in (40, 85):
        write(IoOptions(encode_quality=quality).read(tmp_path / "in.jxl"), tmp_path / "lossy.jxl")
        copied(tmp_path / "lossy.jxl", tmp_path / "again.jxl")
        before, after = (tmp_path / n for n in ("lossy.jxl", "again.jxl"))
        assert 0.7 < after.stat().st_size / before.stat().st_size < 1.3
        assert before.stat().st_size < 0.6 * (tmp_path / "in.jxl").stat().st_size


def test_pictures_of_lossy_formats_are_lossy(tmp_path: Path) -> None:
    saved(tmp_path / "in.jpg", NOISE, quality=80)
    saved(tmp_path / "in.webp", NOISE, lossless=True)
    saved(tmp_path / "in.png", NOISE)
    for name, exact in (("in.jpg", False), ("in.webp", True), ("in.png", True)):
        again = read(copied(tmp_path / name, tmp_path / "out.jxl"))
        assert again.info["lossless"] == exact
        assert np.array_equal(again.pixels, read(tmp_path / name).pixels) == exact


def test_parts_and_compressed_boxes_are_read(tmp_path: Path) -> None:
    exif = metadata().tobytes().removeprefix(b"Exif\0\0")
    code = bytes(imagecodecs.jpegxl_encode(NOISE, lossless=True))
    parts = [box(b"jxlp", i.to_bytes(4, "big") + code[i * 999 : (i + 1) * 999]) for i in range(20)]
    packed = bytes(imagecodecs.brotli_encode(bytes(4) + exif))
    metadata_boxes = box(b"brob", b"Exif" + packed) + box(b"xml ", b"<x:xmpmeta/>")
    more = box(b"jumb", b"signed") + box(b"brob", b"xml " + b"damaged")
    (tmp_path / "in.jxl").write_bytes(HEAD + metadata_boxes + b"".join(parts) + more)
    picture = read(tmp_path / "in.jxl")
    np.testing.assert_array_equal(picture.pixels, NOISE)
    assert picture.info[EXIF] == b"Exif\0\0" + exif
    assert picture.info[XMP] == b"<x:xmpmeta/>"
    assert picture.notes == ("its JUMBF (content credentials) is not kept",)
    assert size(tmp_path / "in.jxl") == NOISE.shape[:2]


def test_a_gain_map_stays_where_it_can(tmp_path: Path) -> None:
    code = bytes(imagecodecs.jpegxl_encode(NOISE, lossless=True))
    content = HEAD + box(b"jhgm", b"map of HDR") + box(b"jxlc", code)
    (tmp_path / "in.jxl").write_bytes(content)
    copied(tmp_path / "in.jxl", tmp_path / "out.jxl")
    assert box(b"jhgm", b"map of HDR") in (tmp_path / "out.jxl").read_bytes()
    told = "PNG cannot store the gain map of HDR"
    assert check_fits(read(tmp_path / "in.jxl"), "o.png") == (told,)
    turned = rewritten(code, colour=JxlColour(), orientation=6)
    (tmp_path / "in.jxl").write_bytes(content.replace(box(b"jxlc", code), box(b"jxlc", turned)))
    told = "is stored turned: its gain map of HDR is not kept"
    assert read(tmp_path / "in.jxl").notes == (told,)


def test_animations_and_extra_channels_are_named(tmp_path: Path) -> None:
    frames = np.stack((NOISE, NOISE[::-1]))
    (tmp_path / "in.jxl").write_bytes(imagecodecs.jpegxl_encode(frames, lossless=True))
    picture = read(tmp_path / "in.jxl")
    np.testing.assert_array_equal(picture.pixels, NOISE)
    assert picture.notes == ("holds several pictures; only the first is read",)
    assert picture.has_others
    planes = np.ascontiguousarray(np.moveaxis(NOISE, 2, 0))
    content = imagecodecs.jpegxl_encode(planes, lossless=True, planar=True, photometric="gray")
    (tmp_path / "in.jxl").write_bytes(content)
    picture = read(tmp_path / "in.jxl")
    np.testing.assert_array_equal(picture.pixels, planes[0])
    assert picture.notes == ("its extra channels (unnamed) are not kept",)


def test_profiles_that_do_not_fit_are_named(tmp_path: Path) -> None:
    picture = Picture(PIXELS[..., 0].copy(), None, {ICC: icc.rgb(1.8)})
    told = "JPEGXL cannot store a colour profile that is not of grey images"
    assert check_fits(picture, "o.jxl") == (told,)
    write(picture, tmp_path / "out.jxl")
    assert ICC not in read(tmp_path / "out.jxl").info
    unknown = Picture(PIXELS, None, {CICP: CodePoints(22, 13)})
    told = "JPEGXL cannot store the colour space (code points 22/13)"
    assert check_fits(unknown, "o.jxl") == (told,)


@pytest.mark.timeout(60)
def test_damaged_files_are_pictures_or_refused(tmp_path: Path) -> None:
    content = transcoded(icc.rgb(1.8))
    stream = read_container(content).code_stream
    rng = np.random.default_rng(0)
    refused = 0
    for case in range(300):
        broken = bytearray(stream)
        if case % 3:
            broken[int(rng.integers(2, 90))] ^= 1 << int(rng.integers(8))
        else:
            del broken[int(rng.integers(2, len(broken))) :]
        (tmp_path / "in.jxl").write_bytes(broken)
        with contextlib.suppress(ImageError):
            read(tmp_path / "in.jxl", max_pixels=1_000_000)
            continue
        refused += 1
    assert refused > 50


def test_a_profile_of_symbols_without_bits_is_refused(tmp_path: Path) -> None:
    claim = b"\xff" * 12
    with pytest.raises(ImageError, match="ends too early"):
        BitReader(claim).bits(1 << 40)
    (tmp_path / "in.jxl").write_bytes(b"\xff\x0a" + claim)
    with pytest.raises(ImageError, match=r"in\.jxl: "):
        read(tmp_path / "in.jxl")


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="needs exiftool")
def test_the_command_keeps_what_exiftool_reads(tmp_path: Path) -> None:
    save_model(tmp_path, identity=True)
    carried = {
        EXIF: metadata().tobytes(),
        XMP: b'<x:xmpmeta xmlns:x="adobe:ns:meta/">said</x:xmpmeta>',
    }
    jxl(tmp_path / "in.jxl", Kind(formats.JPEGXL, "8", PIXELS, {**carried, ICC: P3_PROFILE}))
    words = ("--model", "tiny.safetensors")
    outcome = restore("denoise", "in.jxl", "out.jxl", *words, cwd=tmp_path)
    assert (outcome.code, outcome.stderr) == (0, "")
    pixels, found = by_libjxl(tmp_path / "out.jxl")
    assert found == P3_PROFILE
    assert np.abs(pixels.astype(int) - PIXELS).mean() < 1
    command = ["exiftool", "-json", "-G1", "-n", "-ExifIFD:all", "-GPS:all", "-IFD0:all"]
    told = [
        json.loads(subprocess.run([*command, tmp_path / name], capture_output=True).stdout)[0]
        for name in ("in.jxl", "out.jxl")
    ]
    for tags in told:
        del tags["SourceFile"]
    assert told[0] == told[1]
    assert told[0]["ExifIFD:DateTimeOriginal"] == "2020:01:02 03:04:05"
