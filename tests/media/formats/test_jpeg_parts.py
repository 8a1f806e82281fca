"""Gain maps and other parts of a JPEG besides its image."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
from io import BytesIO
from pathlib import Path

import jpeg_files
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pictures import Base, copied, metadata, smooth
from PIL import Image, ImageOps
from PIL.MpoImagePlugin import MpoImageFile

from restore.media import xmp
from restore.media.formats.jpeg import mpf
from restore.media.formats.jpeg.marker_segments import end_of_image
from restore.media.image import check_fits, read, write

LARGE = smooth(80, 112)
OTHERS = ["png", "webp", "tif", "avif", "jp2", "heic"]


def frames(path: Path) -> list[np.ndarray]:
    """All pictures of a file, as Pillow finds them by the index."""
    with MpoImageFile(path) as file:
        found = []
        for i in range(file.n_frames):
            file.seek(i)
            found.append(np.asarray(file))
        return found


def test_a_gain_map_is_kept_byte_for_byte(tmp_path: Path) -> None:
    content = jpeg_files.ultra_hdr(LARGE)
    (tmp_path / "in.jpg").write_bytes(content)
    written = copied(tmp_path / "in.jpg", tmp_path / "out.jpg").read_bytes()
    before, after = (c[end_of_image(c) :] for c in (content, written))
    assert before == after
    old, new = frames(tmp_path / "in.jpg"), frames(tmp_path / "out.jpg")
    assert len(old) == len(new) == 2
    np.testing.assert_array_equal(old[1], new[1])
    assert check_fits(read(tmp_path / "in.jpg"), tmp_path / "out.jpg") == ()


@pytest.mark.parametrize("suffix", OTHERS)
def test_a_gain_map_that_is_lost_is_named_and_no_longer_announced(
    tmp_path: Path, suffix: str
) -> None:
    (tmp_path / "in.jpg").write_bytes(jpeg_files.ultra_hdr(LARGE))
    target = tmp_path / f"out.{suffix}"
    notes = check_fits(read(tmp_path / "in.jpg"), target)
    assert any("cannot store the gain map of HDR" in note for note in notes)
    packet = read(copied(tmp_path / "in.jpg", target)).info["xmp"]
    assert b"hdrgm:Version" not in packet
    assert b"Container:Directory" not in packet
    assert packet.endswith(b"</rdf:Description></rdf:RDF></x:xmpmeta>")


def test_exiftool_finds_the_gain_map(tmp_path: Path) -> None:
    if shutil.which("exiftool") is None:
        pytest.skip("needs exiftool")
    (tmp_path / "in.jpg").write_bytes(jpeg_files.ultra_hdr(LARGE))
    copied(tmp_path / "in.jpg", tmp_path / "out.jpg")
    told = []
    for name in ("in.jpg", "out.jpg"):
        command = ["exiftool", "-json", "-G1", "-MPImage2:all", "-XMP:all", "-warning", "-b"]
        done = subprocess.run([*command, tmp_path / name], capture_output=True, check=True)
        told.append(json.loads(done.stdout)[0])
        told[-1].pop("SourceFile")
        start = told[-1].pop("MPImage2:MPImageStart")
        assert (tmp_path / name).read_bytes()[start : start + 3] == b"\xff\xd8\xff"
    assert told[0] == told[1]
    assert "ExifTool:Warning" not in told[1]


@pytest.mark.parametrize("orientation", range(2, 9))
def test_an_image_with_a_gain_map_keeps_its_orientation(tmp_path: Path, orientation: int) -> None:
    exif = metadata()
    exif[Base.Orientation] = orientation
    (tmp_path / "in.jpg").write_bytes(jpeg_files.ultra_hdr(LARGE, exif=exif.tobytes(), quality=98))
    copied(tmp_path / "in.jpg", tmp_path / "out.jpg")
    seen = []
    for name in ("in.jpg", "out.jpg"):
        with Image.open(tmp_path / name) as file:
            assert file.getexif()[Base.Orientation] == orientation
            assert file.getexif()[Base.Make] == "Maker"
            seen.append(np.asarray(ImageOps.exif_transpose(file)).astype(int))
    assert np.abs(seen[0] - seen[1]).mean() < 2
    # Without the gain map, the image is turned.
    with Image.open(copied(tmp_path / "in.jpg", tmp_path / "out.png")) as file:
        assert Base.Orientation not in file.getexif()
        assert file.size == seen[0].shape[1::-1]


def test_previews_are_dropped_and_other_pictures_kept(tmp_path: Path) -> None:
    (tmp_path / "in.jpg").write_bytes(jpeg_files.with_preview(LARGE))
    picture = read(tmp_path / "in.jpg")
    assert picture.notes == ("its previews show the image before restoration and are not kept",)
    write(picture, tmp_path / "out.jpg")
    old, new = frames(tmp_path / "in.jpg"), frames(tmp_path / "out.jpg")
    assert (len(old), len(new)) == (3, 2)
    np.testing.assert_array_equal(old[2], new[1])
    assert "PNG cannot store a further picture" in check_fits(picture, "out.png")


def test_a_motion_photo_keeps_its_video(tmp_path: Path) -> None:
    video = struct.pack(">I4s", 24, b"ftypmp42") + bytes(range(200))
    said = jpeg_files.packet(
        'GCamera:MotionPhoto="1" GCamera:MicroVideoOffset="212" xmp:Rating="5"'
    )
    (tmp_path / "in.jpg").write_bytes(jpeg_files.jpeg(LARGE, xmp=said) + video)
    assert copied(tmp_path / "in.jpg", tmp_path / "out.jpg").read_bytes().endswith(video)
    with Image.open(tmp_path / "out.jpg") as file:
        assert file.info["xmp"] == said
    picture = read(tmp_path / "in.jpg")
    assert check_fits(picture, "o.png") == ("PNG cannot store the moving part of the photo",)
    assert b"MotionPhoto" not in picture.info["xmp"]
    assert b'xmp:Rating="5"' in picture.info["xmp"]


def test_extended_xmp_and_application_data_are_kept(tmp_path: Path) -> None:
    said = jpeg_files.packet('xmpNote:HasExtendedXMP="0123456789ABCDEF0123456789ABCDEF"')
    more = (
        b"http://ns.adobe.com/xmp/extension/\0" + b"0" * 32 + struct.pack(">II", 9, 0) + b"<depth/>"
    )
    own = [jpeg_files.segment(0xE1, more), jpeg_files.segment(0xE3, b"thermal" * 99)]
    content = jpeg_files.jpeg(LARGE, xmp=said)
    (tmp_path / "in.jpg").write_bytes(content[:20] + b"".join(own) + content[20:])
    written = copied(tmp_path / "in.jpg", tmp_path / "out.jpg").read_bytes()
    assert all(written.count(part) == 1 for part in (*own, said))
    picture = read(tmp_path / "in.jpg")
    assert b"HasExtendedXMP" not in picture.info["xmp"]
    assert check_fits(picture, "o.png") == (
        "PNG cannot store the extended XMP",
        "PNG cannot store application data of a JPEG",
    )


@pytest.mark.parametrize("behind", [b"", bytes(99), b"\r\n", b"\xff\xff"])
def test_padding_behind_a_jpeg_is_no_part(tmp_path: Path, behind: bytes) -> None:
    (tmp_path / "in.jpg").write_bytes(jpeg_files.jpeg(LARGE) + behind)
    assert read(tmp_path / "in.jpg").notes == ()


def test_unknown_data_and_signatures_are_named(tmp_path: Path) -> None:
    content = jpeg_files.jpeg(LARGE)
    signed = content[:2] + jpeg_files.segment(0xEB, b"JP\0\1" + bytes(50)) + content[2:]
    (tmp_path / "in.jpg").write_bytes(signed + b"secret")
    assert read(tmp_path / "in.jpg").notes == (
        "its content credentials sign the old image and are not kept",
        "6 bytes of unknown data behind the image are not kept",
    )
    assert b"secret" not in copied(tmp_path / "in.jpg", tmp_path / "out.jpg").read_bytes()


@given(st.binary(max_size=120), st.integers(0, 100))
def test_a_damaged_index_is_a_note(tail: bytes, at: int) -> None:
    whole = jpeg_files.with_preview(LARGE[:16, :16])
    start = whole.index(mpf.PREFIX)
    (length,) = struct.unpack_from(">H", whole, start - 2)
    tail = tail[: max(0, length - 2 - at)]  # damage behind it would be that of the image
    damaged = whole[: start + at] + tail + whole[start + at + len(tail) :]
    picture = read("in.jpg", BytesIO(damaged))
    assert picture.pixels.shape == (16, 16, 3)


def test_the_end_of_an_image_is_found_behind_all_scans() -> None:
    for options in ({}, {"progressive": True}, {"restart_marker_blocks": 1}):
        content = jpeg_files.jpeg(LARGE, **options)
        assert end_of_image(content + b"\xff\xd8\xff more") == len(content)


def test_only_announcements_are_removed_from_xmp() -> None:
    kept = jpeg_files.packet('xmp:Rating="4"', "<xmp:Label>hdrgm:Version</xmp:Label>")
    assert xmp.without_parts(kept) == kept
    said = jpeg_files.packet("xmp:Rating=\"4\" hdrgm:Version='1.0'", jpeg_files.container(("a", 1)))
    assert xmp.without_parts(said) == jpeg_files.packet('xmp:Rating="4"')
