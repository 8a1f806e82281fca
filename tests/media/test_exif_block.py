"""EXIF is kept byte for byte: texts of any encoding, maker notes with absolute offsets."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from pictures import metadata, saved, smooth
from PIL import ExifTags, Image

from restore.media import exif_block
from restore.media.image import read, write
from restore.media.picture import Picture

ARTIST = "Jürgen Müller 山".encode() + b"\0"
NOTE = b"Maker\0" + bytes(range(256))
LEFT_OUT = (274, 513)


def entry(order: str, tag: int, kind: int, count: int, value: int) -> bytes:
    if kind == 3:
        return struct.pack(f"{order}HHIHH", tag, kind, count, value, 0)
    return struct.pack(f"{order}HHII", tag, kind, count, value)


def block(order: str, orientation: int, thumbnail: bytes = b"") -> bytes:
    """Artist and orientation; below them pixel dimensions and a maker note; then a thumbnail."""
    first_end = 8 + 2 + 3 * 12 + 4
    artist_at = first_end
    exif_at = artist_at + len(ARTIST) + len(ARTIST) % 2
    note_at = exif_at + 2 + 3 * 12 + 4
    second_at = note_at + len(NOTE)
    thumbnail_at = second_at + 2 + 2 * 12 + 4
    first = struct.pack(f"{order}H", 3)
    first += entry(order, 274, 3, 1, orientation)
    first += entry(order, 315, 2, len(ARTIST), artist_at)
    first += entry(order, 34665, 4, 1, exif_at)
    first += struct.pack(f"{order}I", second_at if thumbnail else 0)
    below = struct.pack(f"{order}H", 3)
    below += entry(order, 37500, 7, len(NOTE), note_at)
    below += entry(order, 40962, 4, 1, 56) + entry(order, 40963, 4, 1, 40)
    below += bytes(4)
    second = struct.pack(f"{order}H", 2)
    second += entry(order, 513, 4, 1, thumbnail_at) + entry(order, 514, 4, 1, len(thumbnail))
    second += bytes(4)
    start = struct.pack(f"{order}2sHI", b"II" if order == "<" else b"MM", 42, 8)
    content = start + first + ARTIST + b"\0" * (len(ARTIST) % 2) + below + NOTE
    return exif_block.PREFIX + content + (second + thumbnail if thumbnail else b"")


def dimensions(content: bytes) -> tuple[int, int]:
    exif = Image.Exif()
    exif.load(content)
    below = exif.get_ifd(ExifTags.IFD.Exif)
    return below[40962], below[40963]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_texts_and_maker_notes_keep_their_bytes_and_places(order: str, orientation: int) -> None:
    before = block(order, orientation, thumbnail=b"\xff\xd8\xff" + b"t" * 99)
    after = exif_block.without(before, LEFT_OUT, ())
    assert after is not None
    for content in (ARTIST, NOTE):
        assert after.index(content) == before.index(content)
    exif = Image.Exif()
    exif.load(after)
    assert ExifTags.Base.Orientation not in exif
    assert not exif.get_ifd(ExifTags.IFD.IFD1)
    assert b"\xff\xd8\xff" not in after
    assert len(after) < len(before)
    assert dimensions(after) == ((40, 56) if orientation > 4 else (56, 40))


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".avif", ".jp2", ".jxl", ".heic"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_texts_of_any_encoding_pass_through_a_file(tmp_path: Path, order: str, suffix: str) -> None:
    source = saved(tmp_path / "in.jpg", smooth(), exif=block(order, 1))
    write(read(source), tmp_path / f"out{suffix}")
    content = (tmp_path / f"out{suffix}").read_bytes()
    assert ARTIST in content
    assert NOTE in content
    again = read(tmp_path / f"out{suffix}").info["exif"]
    assert again.index(NOTE) == block(order, 1).index(NOTE)


@pytest.mark.parametrize("order", ["<", ">"])
def test_texts_of_any_encoding_pass_through_a_tiff(tmp_path: Path, order: str) -> None:
    picture = Picture(smooth(), None, {"exif": block(order, 1)})
    write(picture, tmp_path / "in.tif")
    write(read(tmp_path / "in.tif"), tmp_path / "out.tif")
    write(read(tmp_path / "out.tif"), tmp_path / "out.jpg")
    for name in ("in.tif", "out.tif"):
        with tifffile.TiffFile(tmp_path / name) as file:
            tags = file.pages.first.tags
            assert tags["Artist"].value.encode() == ARTIST[:-1]
            assert tags["ExifTag"].value["MakerNote"] == NOTE
            assert ("Orientation" in tags) == (name == "in.tif")
    again = read(tmp_path / "out.jpg").info["exif"]
    assert ARTIST in again
    assert NOTE in again
    assert dimensions(again) == (56, 40)


@given(st.data())
def test_a_damaged_block_is_embedded_or_raises_value_error(data: st.DataObject) -> None:
    whole = bytearray(block("<", 1))
    for _ in range(data.draw(st.integers(1, 6))):
        whole[data.draw(st.integers(14, len(whole) - 1))] = data.draw(st.integers(0, 255))
    base = 1000
    try:
        moved, entries = exif_block.embedded(bytes(whole), base)
    except ValueError:
        return
    for tag, entry in entries.items():
        length = exif_block.length_of(entry, "<")
        (at,) = struct.unpack("<I", entry[8:])
        assert tag in exif_block.POINTERS or length <= 4 or at - base + length <= len(moved)


def test_a_block_with_nothing_worth_keeping_is_dropped() -> None:
    only = exif_block.PREFIX + b"II*\0\x08\0\0\0" + struct.pack("<H", 1)
    only += entry("<", 274, 3, 1, 6) + bytes(4)
    assert exif_block.without(only, LEFT_OUT, ()) is None
    assert exif_block.without(metadata().tobytes(), (), (271, 305, 34665, 34853)) is None


@given(st.data())
def test_a_damaged_block_raises_value_error_or_is_kept(data: st.DataObject) -> None:
    whole = bytearray(block("<", 6, thumbnail=b"t" * 50))
    for _ in range(data.draw(st.integers(1, 6))):
        whole[data.draw(st.integers(6, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(whole[: data.draw(st.integers(0, len(whole)))])
    try:
        after = exif_block.without(cut, LEFT_OUT, ())
    except ValueError:
        return
    assert after is None or len(after) <= len(cut) + len(exif_block.PREFIX) + 4


def test_pixels_of_a_sideways_jpeg_have_their_dimensions_in_exif(tmp_path: Path) -> None:
    source = saved(tmp_path / "in.jpg", smooth(), exif=block("<", 6))
    picture = read(source)
    assert picture.pixels.shape[:2] == (56, 40)
    assert dimensions(picture.info["exif"]) == (40, 56)
    np.testing.assert_equal(read(source).info["exif"], picture.info["exif"])
