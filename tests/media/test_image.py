from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms

from restore.errors import ImageError
from restore.media import image as media
from restore.media.image import Picture, check_alpha, check_target, read, write

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
    """What `restore` does to a file, but for the restoring."""
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
    """A PNG of which the header claims what it is told."""

    def chunk(name: bytes, body: bytes) -> bytes:
        crc = zlib.crc32(name + body)
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", crc)

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


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
        assert file.format == media.FORMATS[suffix.lower()]
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


def test_more_than_8_bits_are_refused_not_cut(tmp_path: Path) -> None:
    deep = np.random.default_rng(0).integers(0, 65536, (8, 8, 4), np.uint16)
    files = [tmp_path / "grey-alpha.png", tmp_path / "float.tif"]
    files[0].write_bytes(png(4, 4, 16, 4, bytes(4 * (1 + 4 * 4))))
    Image.fromarray(deep[..., 0].astype(np.float32)).save(files[1])
    for suffix in (".png", ".tif"):
        for channels in (1, 3, 4):
            files.append(tmp_path / f"{channels}{suffix}")
            cv2.imwrite(str(files[-1]), deep[..., :channels])
    for path in files:
        with pytest.raises(ImageError, match=r"\A.*more than 8 bits a channel; so far, .*\Z"):
            read(path)


@pytest.mark.parametrize(("suffix", "mode"), [(".jpg", "CMYK"), (".tif", "CMYK"), (".tif", "LAB")])
def test_other_colours_are_refused(tmp_path: Path, suffix: str, mode: str) -> None:
    path = saved(tmp_path / f"in{suffix}", Image.new(mode, (8, 8)))
    with pytest.raises(ImageError, match=rf"\A.*in{suffix}: holds {mode} pixels; so far, .*\Z"):
        read(path)


# What travels along


@pytest.mark.parametrize("target", [".png", ".jpg", ".webp", ".tif"])
@pytest.mark.parametrize("source", [".png", ".jpg", ".webp", ".tif"])
def test_profile_and_exif_are_kept(tmp_path: Path, source: str, target: str) -> None:
    # As bytes: given an `Exif`, Pillow's TIFF writer leaves out the directories below it.
    options = {"exif": metadata().tobytes(), "icc_profile": ICC}
    start = saved(tmp_path / f"in{source}", smooth(), **options)
    with Image.open(copied(start, tmp_path / f"out{target}")) as file:
        exif = file.getexif()
        assert file.info["icc_profile"] == ICC
        assert exif[Base.Make] == "Maker"
        assert exif[Base.Software] == "Firmware"
        assert exif.get_ifd(Ifd.Exif)[Base.DateTimeOriginal] == "2020:01:02 03:04:05"
        assert exif.get_ifd(Ifd.Exif)[Base.ExposureTime] == 0.01
        assert exif.get_ifd(Ifd.GPSInfo)[Gps.GPSLatitudeRef] == "N"
        assert exif.get_ifd(Ifd.GPSInfo)[Gps.GPSLatitude] == (52.0, 30.0, 1.5)
    assert read(tmp_path / f"out{target}").pixels.shape == (40, 56, 3)


@pytest.mark.parametrize("target", [".png", ".jpg", ".bmp", ".tif"])
@pytest.mark.parametrize("source", [".png", ".jpg", ".bmp", ".tif"])
def test_resolution_is_kept(tmp_path: Path, source: str, target: str) -> None:
    start = saved(tmp_path / f"in{source}", smooth(), dpi=(300, 150))
    with Image.open(copied(start, tmp_path / f"out{target}")) as file:
        assert file.info["dpi"] == pytest.approx((300, 150), abs=0.1)


def test_a_tiff_without_resolution_does_not_get_one_dot_per_inch(tmp_path: Path) -> None:
    start = saved(tmp_path / "in.tif", smooth())
    with Image.open(copied(start, tmp_path / "out.jpg")) as file:
        assert "dpi" not in file.info


@pytest.mark.parametrize("dpi", [(float("nan"), 300), (0, 0), (1e9, 1e9)], ids=str)
def test_a_resolution_that_makes_no_sense_is_dropped(
    tmp_path: Path, dpi: tuple[float, float]
) -> None:
    image = Image.fromarray(smooth())
    image.info["dpi"] = dpi
    assert media._dpi(image) is None


def upright(stored: np.ndarray, orientation: int) -> np.ndarray:
    """The picture as it is to be seen, from the definition of the EXIF tag."""
    return {
        1: stored,
        2: stored[:, ::-1],
        3: stored[::-1, ::-1],
        4: stored[::-1],
        5: stored.swapaxes(0, 1),
        6: np.rot90(stored, -1),
        7: stored[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(stored, 1),
    }[orientation]


@pytest.mark.parametrize("suffix", [".png", ".tif"])  # TIFF: Pillow reads it in its own way
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_once_and_reset(
    tmp_path: Path, orientation: int, suffix: str
) -> None:
    exif = metadata()
    exif[Base.Orientation] = orientation
    stored = np.dstack((smooth(), coverage()))
    seen = upright(stored, orientation)
    start = saved(tmp_path / f"in{suffix}", stored, exif=exif.tobytes())
    for path in (start, copied(start, tmp_path / f"out{suffix}")):
        picture = read(path)
        assert picture.alpha is not None
        np.testing.assert_array_equal(picture.pixels, seen[..., :3])
        np.testing.assert_array_equal(picture.alpha, seen[..., 3])
    with Image.open(tmp_path / f"out{suffix}") as file:
        assert file.size == seen.shape[1::-1]
        assert file.getexif().get(Base.Orientation, 1) == 1
        assert file.getexif()[Base.Make] == "Maker"


@pytest.mark.parametrize("suffix", [".jpg", ".webp"])
def test_orientation_is_applied_to_lossy_files_too(tmp_path: Path, suffix: str) -> None:
    exif = Image.Exif()
    exif[Base.Orientation] = 6
    start = saved(tmp_path / f"in{suffix}", smooth(), exif=exif, quality=95)
    again = read(copied(start, tmp_path / f"out{suffix}")).pixels.astype(int)
    assert np.abs(again - upright(smooth(), 6)).mean() < 4


def test_what_exif_says_of_the_old_file_is_not_said_of_the_new(tmp_path: Path) -> None:
    # Some phones write the sensor's size among the tags that, in a TIFF, are the picture's own.
    exif = metadata()
    exif[Base.ImageWidth], exif[Base.ImageLength], exif[Base.PhotometricInterpretation] = 9999, 3, 0
    start = saved(tmp_path / "in.png", smooth(), exif=exif.tobytes())
    again = copied(start, tmp_path / "out.tif")
    np.testing.assert_array_equal(read(again).pixels, smooth())
    with Image.open(copied(again, tmp_path / "back.jpg")) as file:
        kept = set(file.getexif())
    assert kept == {Base.Make, Base.Software, Ifd.Exif, Ifd.GPSInfo}


@pytest.mark.parametrize("sampling", [0, 1, 2])
def test_chroma_subsampling_follows_the_source(tmp_path: Path, sampling: int) -> None:
    from PIL.JpegImagePlugin import get_sampling

    start = saved(tmp_path / "in.jpg", smooth(), subsampling=sampling)
    with Image.open(copied(start, tmp_path / "out.jpg")) as file:
        assert get_sampling(file) == sampling


@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_chroma_is_not_subsampled_where_the_source_says_nothing(
    tmp_path: Path, suffix: str
) -> None:
    from PIL.JpegImagePlugin import get_sampling

    start = saved(tmp_path / f"in{suffix}", smooth())
    with Image.open(copied(start, tmp_path / "out.jpg")) as file:
        assert get_sampling(file) == 0


# Files that are no pictures


def encoded(format_: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(smooth()).save(buffer, format_, **options)
    return buffer.getvalue()


# The resolution's unit, a number, said to be two bytes of text.
UNIT_IN_LETTERS = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<HHHI4sI", 1, 296, 2, 2, b"x", 0)

BROKEN = {
    "empty.png": b"",
    "text.png": b"This is not a picture.\n" * 50,
    "animation.gif": encoded("GIF"),
    "short.png": encoded("PNG")[:-200],
    "short.jpg": encoded("JPEG")[:-200],
    "short.webp": encoded("WEBP")[:-200],
    "short.bmp": encoded("BMP")[:-200],
    "short.tif": encoded("TIFF", compression="tiff_deflate")[:-200],
    "header.png": encoded("PNG")[:20],
    "header.jpg": encoded("JPEG")[:20],
    "exif.png": encoded("PNG", exif=b"Exif\0\0" + b"?" * 40),
    "tag.jpg": encoded("JPEG", exif=UNIT_IN_LETTERS),
    "bits.png": encoded("PNG")[:60] + b"\0" * 40 + encoded("PNG")[100:],
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_that_is_no_picture_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(BROKEN[name])
    with pytest.raises(ImageError, match=rf"\A.*{name}: .+\Z"):
        read(path)


def test_a_path_without_a_picture_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"\A.*none.png: no such file\Z"):
        read(tmp_path / "none.png")
    with pytest.raises(ImageError, match=r"\A.*: is a folder, not a picture\Z"):
        read(tmp_path)
    with pytest.raises(ImageError, match=r"\A.*embedded null.*\Z"):
        read("null\0.png")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".bmp", ".tif"])
def test_a_cut_file_is_a_picture_or_refused_wherever_it_is_cut(tmp_path: Path, suffix: str) -> None:
    whole = saved(tmp_path / f"in{suffix}", smooth()[:16, :16], exif=metadata()).read_bytes()
    path = tmp_path / f"cut{suffix}"
    refused = 0
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        try:
            assert read(path).pixels.shape == (16, 16, 3)
        except ImageError:  # and nothing else
            refused += 1
    assert refused > 10


def test_a_decompression_bomb_is_refused_quickly(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png(100_000, 100_000, 8, 2))
    start = time.perf_counter()
    with pytest.raises(ImageError, match=r"\A.*has more than 500,000,000 pixels; refused\Z"):
        read(path)
    assert time.perf_counter() - start < 5  # to decode it takes minutes


def test_our_limit_of_pixels_counts_not_pillows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path / "in.png", smooth())
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert read(path).pixels.shape == (40, 56, 3)
    assert Image.MAX_IMAGE_PIXELS == 100
    monkeypatch.setattr(media, "MAX_PIXELS", 40 * 56)
    read(path)
    monkeypatch.setattr(media, "MAX_PIXELS", 40 * 56 - 1)
    with pytest.raises(ImageError, match="has more than 2,239 pixels"):
        read(path)


# Writing, or not


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("out.gif", "unknown output format '.gif'; use one of .bmp, .jpeg"),
        ("out", "unknown output format ''"),
        ("folder.png", "is a folder; name the output file"),
        ("none/out.png", "folder .*none does not exist"),
        ("old.png", "exists already; give --overwrite to replace it"),
    ],
)
def test_a_target_that_cannot_be_is_refused_in_one_line(
    tmp_path: Path, name: str, what: str
) -> None:
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "old.png").touch()
    with pytest.raises(ImageError, match=rf"\A.*{name}: {what}.*\Z"):
        check_target(tmp_path / name)


def test_a_target_that_can_be_is_accepted(tmp_path: Path) -> None:
    (tmp_path / "old.png").touch()
    check_target(tmp_path / "old.png", overwrite=True)
    check_target(tmp_path / "new.webp")
    assert list(tmp_path.iterdir()) == [tmp_path / "old.png"]


@pytest.mark.parametrize("suffix", [".jpg", ".JPEG", ".bmp"])
def test_transparency_is_not_lost_in_silence(tmp_path: Path, suffix: str) -> None:
    picture, target = Picture(smooth(), coverage(), {}), tmp_path / f"out{suffix}"
    for refuse in (check_alpha, write):
        with pytest.raises(ImageError, match=r"\A.* cannot keep the picture's transparency; .*\Z"):
            refuse(picture, target)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", [".jpg", ".bmp"])
def test_alpha_that_hides_nothing_may_go(tmp_path: Path, suffix: str) -> None:
    picture = Picture(smooth(), np.full((40, 56), 255, np.uint8), {})
    check_alpha(picture, tmp_path / f"out{suffix}")
    write(picture, tmp_path / f"out{suffix}")
    again = read(tmp_path / f"out{suffix}")
    assert again.alpha is None
    assert np.abs(again.pixels.astype(int) - smooth()).mean() < 2


@pytest.mark.parametrize(
    ("name", "width", "what"),
    [
        ("out.gif", 8, "unknown output format"),
        ("none/out.png", 8, "cannot be written: No such file"),
        ("out.webp", 16384, "cannot be written as WEBP"),
        ("out.jpg", 65536, "cannot be written"),
    ],
)
def test_what_cannot_be_written_leaves_nothing_behind(
    tmp_path: Path, name: str, width: int, what: str
) -> None:
    with pytest.raises(ImageError, match=rf"\A.*{name}: {what}.*\Z"):
        write(Picture(np.zeros((1, width, 3), np.uint8), None, {}), tmp_path / name)
    assert not any(tmp_path.iterdir())


def test_a_folder_in_the_way_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "out.png").mkdir()
    with pytest.raises(ImageError, match=r"\A.*out.png: cannot be written: Is a directory\Z"):
        write(Picture(smooth(), None, {}), tmp_path / "out.png")
    assert list(tmp_path.iterdir()) == [tmp_path / "out.png"]


FULL_DISK = """
import resource, sys
from pathlib import Path
import numpy as np
from restore.errors import ImageError
from restore.media.image import Picture, write

noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
for path in sys.argv[1:]:
    try:
        write(Picture(noise, None, {}), Path(path))
    except ImageError as error:
        print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="has no limit on the size of files")
@pytest.mark.parametrize("old", [None, b"the old picture"], ids=["new", "overwrite"])
def test_a_full_disk_leaves_what_was_there(tmp_path: Path, old: bytes | None) -> None:
    paths = [tmp_path / f"out{suffix}" for suffix in (".png", ".jpg", ".webp", ".bmp", ".tif")]
    for path in paths if old else []:
        path.write_bytes(old)
    before = sorted(tmp_path.iterdir())
    command = [sys.executable, "-c", FULL_DISK, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    refusals = done.stdout.splitlines()
    assert len(refusals) == len(paths)
    for path, refusal in zip(paths, refusals, strict=True):
        assert refusal.startswith(f"{path}: cannot be written")
    assert sorted(tmp_path.iterdir()) == before
    assert all(path.read_bytes() == old for path in before)


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere"
)
def test_a_folder_without_permission_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ImageError, match=r"\A.*out.png: cannot be written: Permission denied\Z"):
        write(Picture(smooth(), None, {}), tmp_path / "out.png")


def test_reading_and_writing_need_no_torch() -> None:
    code = "import sys, restore.media.image; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
