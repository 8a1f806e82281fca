"""Formats that are only read."""

from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from command import restore
from models import save_model
from pictures import coverage, smooth
from PIL import Image

from restore.errors import ImageError
from restore.jobs.folder_plan import Naming
from restore.media.image import read, size, write


def psd(pixels: np.ndarray) -> bytes:
    """A Photoshop file of its merged picture only, not compressed."""
    height, width, channels = pixels.shape
    head = b"8BPS" + struct.pack(">H6xHIIHH", 1, channels, height, width, 8, 3)
    planes = np.moveaxis(pixels, 2, 0).tobytes()
    return head + struct.pack(">IIIH", 0, 0, 0, 0) + planes


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_targa_is_read(tmp_path: Path, mode: str) -> None:
    image = Image.fromarray(np.dstack((smooth(), coverage()))).convert(mode)
    image.save(tmp_path / "in.tga", compression="tga_rle")
    picture = read(tmp_path / "in.tga")
    expected = np.asarray(image)
    np.testing.assert_array_equal(picture.pixels, expected[..., :3] if mode != "L" else expected)
    assert (picture.alpha is None) == (mode != "RGBA")
    assert size(tmp_path / "in.tga") == (40, 56)


def test_photoshop_pcx_icons_and_bitmaps_are_read(tmp_path: Path) -> None:
    (tmp_path / "in.psd").write_bytes(psd(smooth()))
    Image.fromarray(smooth()).save(tmp_path / "in.pcx")
    for suffix in ("psd", "pcx"):
        np.testing.assert_array_equal(read(tmp_path / f"in.{suffix}").pixels, smooth())
    square = np.dstack((smooth(32, 32), coverage(32, 32)))
    Image.fromarray(square).save(tmp_path / "in.ico", sizes=[(32, 32)])
    picture = read(tmp_path / "in.ico")
    np.testing.assert_array_equal(picture.pixels, square[..., :3])
    np.testing.assert_array_equal(picture.alpha, square[..., 3])
    dots = smooth()[..., 0] > 100
    Image.fromarray(dots).save(tmp_path / "in.pbm")
    np.testing.assert_array_equal(read(tmp_path / "in.pbm").pixels, dots * np.uint8(255))


def test_radiance_is_linear_floats(tmp_path: Path) -> None:
    values = np.exp2(np.random.default_rng(0).uniform(-4, 4, (40, 56, 3))).astype(np.float32)
    content = cv2.imencode(".hdr", values[..., ::-1])[1].tobytes()
    (tmp_path / "in.hdr").write_bytes(content)
    picture = read(tmp_path / "in.hdr")
    assert picture.is_linear
    assert size(tmp_path / "in.hdr") == (40, 56)
    brightest = values.max(axis=2, keepdims=True)
    assert (np.abs(picture.pixels - values) / brightest).max() < 0.01
    write(picture, tmp_path / "out.tif")
    np.testing.assert_array_equal(read(tmp_path / "out.tif").pixels, picture.pixels)
    claim = content.replace(b"-Y 40 +X 56", b"-Y 99999 +X 99999")
    (tmp_path / "big.hdr").write_bytes(claim)
    with pytest.raises(ImageError, match="has more than 500,000,000 pixels; refused"):
        read(tmp_path / "big.hdr")


def test_results_of_a_folder_are_of_a_format_that_can_be_written(tmp_path: Path) -> None:
    save_model(tmp_path, identity=True)
    (tmp_path / "in").mkdir()
    Image.fromarray(smooth()).save(tmp_path / "in" / "a.tga")
    (tmp_path / "in" / "b.psd").write_bytes(psd(smooth()))
    outcome = restore("denoise", "in", "out", "--model", "tiny.safetensors", cwd=tmp_path)
    assert outcome.code == 0, outcome.stderr
    for name in ("a.png", "b.png"):
        np.testing.assert_array_equal(read(tmp_path / "out" / name).pixels, smooth())
    assert Naming()(Path("x.dng")) == "x.tif"
    assert Naming()(Path("x.hdr")) == "x.tif"
    assert Naming(format="webp")(Path("x.tga")) == "x.webp"
