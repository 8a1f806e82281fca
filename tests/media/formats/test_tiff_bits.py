"""TIFF of 1 to 16 bits per channel, packed by hand (TIFF 6.0, sections 3 to 6)."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from restore.media.image import read

BLACK_IS_0, WHITE_IS_0, RGB, PALETTE = 1, 0, 2, 3


def packed(values: np.ndarray, bits: int) -> bytes:
    """Rows of values, each row from a new byte on."""
    if bits == 16:
        return values.astype("<u2").tobytes()
    wide = np.unpackbits(values.astype(">u2")[..., None].view(np.uint8), axis=-1)[..., 16 - bits :]
    return np.packbits(wide.reshape(len(values), -1), axis=1).tobytes()


def tiff(data: np.ndarray, bits: int, kind: int, palette: tuple[int, ...] = ()) -> bytes:
    """H x W x channels; a fourth channel is alpha."""
    height, width, channels = data.shape
    strip = packed(data.reshape(height, -1), bits)
    fields: dict[int, tuple[str, tuple[int, ...]]] = {
        256: ("I", (width,)),
        257: ("I", (height,)),
        258: ("H", (bits,) * channels),
        259: ("H", (1,)),
        262: ("H", (kind,)),
        273: ("I", (8,)),
        277: ("H", (channels,)),
        278: ("I", (height,)),
        279: ("I", (len(strip),)),
        **({320: ("H", palette)} if palette else {}),
        **({338: ("H", (2,))} if channels == 4 else {}),
    }
    strip += bytes(len(strip) % 2)
    values_at = 8 + len(strip) + 2 + 12 * len(fields) + 4
    entries, values = b"", b""
    for tag, (letter, numbers) in fields.items():
        body = struct.pack(f"<{len(numbers)}{letter}", *numbers)
        entry = struct.pack("<HHI", tag, 3 if letter == "H" else 4, len(numbers))
        if len(body) > 4:
            values, body = values + body, struct.pack("<I", values_at + len(values))
        entries += entry + body.ljust(4, b"\0")
    head = b"II*\0" + struct.pack("<I", 8 + len(strip)) + strip
    return head + struct.pack("<H", len(fields)) + entries + bytes(4) + values


@pytest.mark.parametrize("bits", range(1, 17))
@pytest.mark.parametrize(
    ("channels", "kind"), [(1, BLACK_IS_0), (1, WHITE_IS_0), (3, RGB), (4, RGB)]
)
def test_any_number_of_bits_is_read(tmp_path: Path, bits: int, channels: int, kind: int) -> None:
    data = np.random.default_rng(bits).integers(0, 1 << bits, (7, 11, channels))
    (tmp_path / "in.tif").write_bytes(tiff(data, bits, kind))
    picture = read(tmp_path / "in.tif")
    full, white = (1 << bits) - 1, 255 if bits <= 8 else 65535
    expected = np.rint((full - data if kind == WHITE_IS_0 else data) * (white / full))
    pixels = picture.pixels if channels > 1 else picture.pixels[..., None]
    assert pixels.dtype == (np.uint8 if bits <= 8 else np.uint16)
    np.testing.assert_array_equal(pixels, expected[..., :3])
    if channels == 4:
        np.testing.assert_array_equal(picture.alpha, expected[..., 3])


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_palettes_of_few_bits_are_read(tmp_path: Path, bits: int) -> None:
    rng = np.random.default_rng(bits)
    data = rng.integers(0, 1 << bits, (7, 11, 1))
    colours = rng.integers(0, 256, (3, 1 << bits))
    palette = tuple(int(v) for v in colours.ravel() * 257)
    (tmp_path / "in.tif").write_bytes(tiff(data, bits, PALETTE, palette))
    np.testing.assert_array_equal(read(tmp_path / "in.tif").pixels, colours.T[data[..., 0]])
