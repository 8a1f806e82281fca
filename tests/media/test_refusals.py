"""Files that are no pictures, and targets that cannot be."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pictures import (
    coverage,
    metadata,
    png,
    saved,
    smooth,
)
from PIL import Image

from restore.errors import ImageError
from restore.media import image as media
from restore.media.formats import BY_SUFFIX
from restore.media.image import check_fits, check_target, read, write
from restore.media.picture import Picture

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
    "other.sgi": encoded("SGI"),
    "short.png": encoded("PNG")[:-200],
    "short.jpg": encoded("JPEG")[:-200],
    "short.webp": encoded("WEBP")[:-200],
    "short.bmp": encoded("BMP")[:-200],
    "short.tif": encoded("TIFF", compression="tiff_deflate")[:-200],
    "header.png": encoded("PNG")[:20],
    "header.jpg": encoded("JPEG")[:20],
    "bits.png": encoded("PNG")[:60] + b"\0" * 40 + encoded("PNG")[100:],
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_that_is_no_picture_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(BROKEN[name])
    with pytest.raises(ImageError, match=rf"\A.*{name}: .+\Z"):
        read(path)


@pytest.mark.parametrize("exif", [b"Exif\0\0" + b"?" * 40, UNIT_IN_LETTERS])
@pytest.mark.parametrize("format_", ["PNG", "JPEG", "WEBP"])
def test_damaged_exif_costs_itself_alone(tmp_path: Path, format_: str, exif: bytes) -> None:
    path = tmp_path / "in"
    path.write_bytes(encoded(format_, exif=exif))
    picture = read(path)
    assert picture.pixels.shape == smooth().shape
    assert "exif" not in picture.info


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
    with pytest.raises(
        ImageError, match=r"\A.*has more than 500,000,000 pixels; refused unless \S+\Z"
    ):
        read(path)
    assert time.perf_counter() - start < 5  # to decode it takes minutes


def claiming(format_: str) -> bytes:
    """A small file of which the header claims 100,000 x 100,000 pixels, or 65,500 x 65,500."""
    side, most = 100_000, 65_500
    little, big = struct.pack("<II", side, side), struct.pack(">II", side, side)
    if format_ in ("PFM", "PPM", "PGM"):
        kind, last = {"PFM": ("PF", -1), "PPM": ("P6", 65535), "PGM": ("P2", 1023)}[format_]
        return f"{kind}\n{side} {side}\n{last}\n".encode() + bytes(100)
    if format_ == "TIFF":
        content = bytearray(encoded("TIFF"))
        for tag in (b"\0\1\4\0", b"\1\1\4\0"):
            at = content.index(tag)
            content[at + 8 : at + 12] = little[:4]
        return bytes(content)
    content = encoded(format_)
    at, claim = {
        "BMP": (18, little),
        "JPEG2000": (content.find(b"\xff\x4f\xff\x51") + 8, big),
        "JPEG": (content.find(b"\xff\xc0") + 5, struct.pack(">HH", most, most)),
        "GIF": (6, struct.pack("<HH", most, most)),
    }[format_]
    return content[:at] + claim + content[at + len(claim) :]


@pytest.mark.parametrize("format_", ["BMP", "JPEG", "GIF", "TIFF", "PFM", "PPM", "PGM", "JPEG2000"])
def test_no_format_is_decoded_before_its_size_is_known(tmp_path: Path, format_: str) -> None:
    path = tmp_path / "bomb"
    path.write_bytes(claiming(format_))
    tracemalloc.start()
    try:
        with pytest.raises(
            ImageError,
            match=r"\A.*bomb: has more than 500,000,000 pixels; refused unless \S+\Z",
        ):
            read(path)
        assert tracemalloc.get_traced_memory()[1] < 50 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("suffix", [".exr", ".heic"])
def test_a_missing_extra_is_named_before_any_work(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"in{suffix}"
    write(Picture(smooth(), None, {}), path)
    format_ = BY_SUFFIX[suffix]
    monkeypatch.setitem(sys.modules, format_.library, None)
    extra = rf"pip install \"maxim-restore\[{format_.extra}\]\""
    told = rf"\A.*in{suffix}: {format_.name} needs an extra: {extra}\Z"
    with pytest.raises(ImageError, match=told):
        check_fits(Picture(smooth(), None, {}), path)
    with pytest.raises(ImageError, match=told):
        read(path)


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


def test_a_wide_picture_is_no_bomb(tmp_path: Path) -> None:
    path, width, height = tmp_path / "in.ppm", 700_000, 257
    with open(path, "wb") as file:
        start = file.write(f"P5 {width} {height} 255\n".encode())
        file.truncate(start + width * height)  # black, which takes no room on the disk
    picture = read(path)
    assert picture.pixels.shape == (height, width)
    assert not picture.pixels[-1].any()


# Writing, or not


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("out.sgi", "unknown output format '.sgi'; use one of .avif, .bmp"),
        ("out", "has no ending that names a format, and is no folder"),
        ("folder.png", "is a folder; name the output file"),
        ("none/out.png", "folder .*none does not exist"),
        ("old.png", "exists already; give overwrite=True to replace it"),
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
    for refuse in (check_fits, write):
        with pytest.raises(ImageError, match=r"\A.* cannot keep the picture's transparency; .*\Z"):
            refuse(picture, target)
    assert not any(tmp_path.iterdir())


def test_colours_are_not_written_under_an_ending_for_grey(tmp_path: Path) -> None:
    """Many readers go by it."""
    for refuse in (check_fits, write):
        with pytest.raises(ImageError, match=r"\A.*out.pgm: holds greyscale alone; use .ppm\Z"):
            refuse(Picture(smooth(), None, {}), tmp_path / "out.pgm")
    assert not any(tmp_path.iterdir())
    write(Picture(smooth()[..., 0], None, {}), tmp_path / "out.pgm")
    assert (tmp_path / "out.pgm").read_bytes().startswith(b"P5")


@pytest.mark.parametrize("suffix", [".jpg", ".bmp"])
def test_alpha_that_hides_nothing_may_go(tmp_path: Path, suffix: str) -> None:
    picture = Picture(smooth(), np.full((40, 56), 255, np.uint8), {})
    check_fits(picture, tmp_path / f"out{suffix}")
    write(picture, tmp_path / f"out{suffix}")
    again = read(tmp_path / f"out{suffix}")
    assert again.alpha is None
    assert np.abs(again.pixels.astype(int) - smooth()).mean() < 2


@pytest.mark.parametrize(
    ("name", "width", "what"),
    [
        ("out.dng", 8, "RAW can only be read"),
        ("none/out.png", 8, "cannot be written: No such file"),
        ("out.webp", 16384, "WEBP cannot hold more than 16383"),
        ("out.jpg", 65501, "JPEG cannot hold more than 65500"),
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
from restore.media.picture import Picture
from restore.media.image import write

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
