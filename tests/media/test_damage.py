"""Damaged PNGs and TIFFs: what can be read is, whole and by rows alike, and the rest is refused."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from pictures import smooth

from restore.errors import ImageError
from restore.media import image as media
from restore.media import large
from restore.media.formats.png.chunks import SIGNATURE

HEIGHT, WIDTH = 150, 97


def chunk(name: bytes, body: bytes, *, sound: bool = True) -> bytes:
    checksum = zlib.crc32(name + body) ^ (not sound)
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", checksum)


def pixels(dtype: Any) -> np.ndarray:
    random = np.random.default_rng(0)
    return random.integers(0, np.iinfo(dtype).max, (HEIGHT, WIDTH, 3), dtype, True)


def header(dtype: Any, *, sound: bool = True) -> bytes:
    bits = 8 * np.dtype(dtype).itemsize
    body = struct.pack(">IIBBBBB", WIDTH, HEIGHT, bits, 2, 0, 0, 0)
    return chunk(b"IHDR", body, sound=sound)


def packed(dtype: Any) -> bytes:
    stored = pixels(dtype).astype(np.dtype(dtype).newbyteorder(">"))
    lines = stored.reshape(HEIGHT, -1).view(np.uint8)
    return zlib.compress(np.pad(lines, ((0, 0), (1, 0))).tobytes())


END, TEXT = chunk(b"IEND", b""), chunk(b"tEXt", b"Title\0said")


def readable(kind: str, dtype: Any) -> bytes:
    """A PNG with something wrong around its pixels."""
    content, head = packed(dtype), header(dtype)
    first, last = content[:9000], content[9000:]
    parts = {
        "first checksum": (chunk(b"IDAT", first, sound=False), chunk(b"IDAT", last), END),
        "last checksum": (chunk(b"IDAT", first), chunk(b"IDAT", last, sound=False), END),
        "no last checksum": (chunk(b"IDAT", content)[:-4],),
        "no checksum of pixels": (chunk(b"IDAT", content[:-4]), END),
        "text between": (chunk(b"IDAT", first), TEXT, chunk(b"IDAT", last), END),
        "text's checksum": (TEXT[:-1] + b"?", chunk(b"IDAT", content), END),
        "text cut short": (chunk(b"IDAT", content), chunk(b"tEXt", b"Title\0" + b"x" * 999)[:99]),
        "end's checksum": (chunk(b"IDAT", content), END[:-1] + b"?"),
    }
    return SIGNATURE + head + b"".join(parts[kind])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(
    "kind",
    [
        *("first checksum", "last checksum", "no last checksum", "no checksum of pixels"),
        *("text between", "text's checksum", "text cut short", "end's checksum"),
    ],
)
def test_pixels_that_are_all_there_are_read(kind: str, dtype: Any, tmp_path: Path) -> None:
    content, path = readable(kind, dtype), tmp_path / "in.png"
    path.write_bytes(content)
    rows, whole = large.read(path, above=100), media.read(path)
    assert rows is not None
    for found in (rows.pixels[:], whole.pixels, media.read("-", io.BytesIO(content)).pixels):
        np.testing.assert_array_equal(found, pixels(dtype))
    assert (rows.info, rows.notes) == (whole.info, whole.notes)
    assert media.size(path) == (HEIGHT, WIDTH)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("kind", ["header", "pixels", "end"])
def test_pixels_that_are_damaged_are_refused(kind: str, dtype: Any, tmp_path: Path) -> None:
    content, path = packed(dtype), tmp_path / "in.png"
    changed = {"pixels": content[:-1] + bytes((content[-1] ^ 1,)), "end": content[:-999]}
    start = SIGNATURE + header(dtype, sound=kind != "header")
    path.write_bytes(start + chunk(b"IDAT", changed.get(kind, content)) + END)
    with pytest.raises(ImageError, match=rf"\A{path}: [^\n]+\Z"):
        media.read(path)
    rows = large.read(path, above=100)
    if kind == "header":  # nothing else says how large it is
        assert rows is None
        return
    assert rows is not None
    for _ in range(2):  # not even the second time
        with pytest.raises(ImageError, match=rf"\A{path}: [^\n]+\Z"):
            rows.pixels[100:]


def test_what_is_appended_to_a_png_is_not_of_it(tmp_path: Path) -> None:
    content, path = chunk(b"IDAT", packed(np.uint8)), tmp_path / "in.png"
    start = SIGNATURE + header(np.uint8) + content + END + TEXT
    with open(path, "wb") as file:
        file.write(start + struct.pack(">I4s", 1 << 28, b"vIDo"))
        file.truncate(len(start) + (1 << 28))  # takes no room on the disk
    for read in (media.read, lambda path: large.read(path, above=100)):
        tracemalloc.start()
        try:
            picture = read(path)
            taken = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert picture is not None
        assert taken < 1 << 24
        assert "png_chunks" not in picture.info
        np.testing.assert_array_equal(picture.pixels[:], pixels(np.uint8))


def test_a_chunk_claims_no_more_memory_than_the_file_has(tmp_path: Path) -> None:
    path = tmp_path / "in.png"
    start = SIGNATURE + header(np.uint8) + chunk(b"IDAT", packed(np.uint8))
    path.write_bytes(start + struct.pack(">I4s", 0xF0000000, b"vIDo"))
    tracemalloc.start()
    try:
        assert large.read(path, above=100) is not None
        assert tracemalloc.get_traced_memory()[1] < 1 << 24
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("wrong", [{"TileOffsets": 0}, {"TileByteCounts": 0}])
def test_a_tile_that_is_nowhere_is_blank(wrong: dict[str, int], tmp_path: Path) -> None:
    path = tmp_path / "in.tif"
    tifffile.imwrite(
        path, smooth(), photometric="rgb", compression="lzw", tile=(16, 16), metadata=None
    )
    with tifffile.TiffFile(path, mode="r+") as file:
        for name, value in wrong.items():
            tag = file.pages.first.tags[name]
            tag.overwrite((value, *tag.value[1:]))
    rows, whole = large.read(path, above=100), media.read(path)
    assert rows is not None
    assert not whole.pixels[:16, :16].any()
    np.testing.assert_array_equal(rows.pixels[:], whole.pixels)
