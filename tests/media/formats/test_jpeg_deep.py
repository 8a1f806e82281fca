"""JPEG of 12 bits and lossless JPEG, made by imagecodecs."""

from __future__ import annotations

import struct
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from pictures import metadata, smooth

from restore.errors import ImageError
from restore.media.image import check_fits, read, size, write

EXIF = metadata()


def with_exif(content: bytes, orientation: int) -> bytes:
    EXIF[274] = orientation
    body = EXIF.tobytes()
    return content[:2] + b"\xff\xe1" + struct.pack(">H", 2 + len(body)) + body + content[2:]


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
@pytest.mark.parametrize("grey", [False, True])
def test_lossless_jpeg_is_read_exactly(tmp_path: Path, bits: int, grey: bool) -> None:
    wide = smooth().astype(np.uint16) << 8 >> (16 - bits)
    stored = wide.astype(np.uint8) if bits == 8 else wide
    stored = np.ascontiguousarray(stored[..., 0]) if grey else stored
    path = tmp_path / "in.jpg"
    content = imagecodecs.jpeg8_encode(stored, lossless=True, bitspersample=bits)
    path.write_bytes(with_exif(content, 6))
    picture = read(path)
    white = 255 if bits == 8 else 65535
    expected = np.rint(stored * (white / ((1 << bits) - 1)))
    np.testing.assert_array_equal(picture.pixels, np.rot90(expected, -1))
    assert size(path) == picture.pixels.shape[:2]
    assert b"Maker" in picture.info["exif"]
    write(picture, tmp_path / "out.png")
    np.testing.assert_array_equal(read(tmp_path / "out.png").pixels, picture.pixels)


def test_a_jpeg_of_12_bits_is_read_with_all_its_bits(tmp_path: Path) -> None:
    deep = (smooth().astype(np.uint16) << 4) + 7
    path = tmp_path / "in.jpg"
    path.write_bytes(imagecodecs.jpeg8_encode(deep, bitspersample=12, level=98))
    picture = read(path)
    assert picture.pixels.dtype == np.uint16
    assert np.abs(picture.pixels / 65535 - deep / 4095).mean() < 0.005
    assert len(np.unique(picture.pixels)) > 256
    assert check_fits(picture, "out.jpg") == (
        "16 bits per channel become 8, the most that JPEG holds",
    )


def test_a_lossless_jpeg_that_cannot_be_decoded_is_called_one(tmp_path: Path) -> None:
    path = tmp_path / "in.jpg"
    content = imagecodecs.jpeg8_encode(smooth(), lossless=True)
    at = content.index(b"\xff\xc3") + 5
    path.write_bytes(content[: at - 1] + b"\x11" + content[at:])  # 17 bits per channel
    with pytest.raises(ImageError, match=r"\A.*in.jpg: is a lossless JPEG that cannot be decoded"):
        read(path)
    path.write_bytes(content[:at] + b"\xff\xdc\xff\xdc" + content[at + 4 :])
    with pytest.raises(ImageError, match="has more than 500,000,000 pixels; refused"):
        read(path)
