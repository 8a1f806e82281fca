"""Formats that are only read."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from command import restore
from media_files import dng, psd, resource
from models import save_model
from pictures import coverage, metadata, smooth
from PIL import Image

from restore.errors import ImageError
from restore.jobs.folder_plan import Naming
from restore.media.image import read, size, write


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


CAPTIONS = b"\x1c\x02\x78\x00\x05Cat.."


def test_metadata_of_photoshop_is_kept_and_what_people_drew_is_named(tmp_path: Path) -> None:
    exif = metadata().tobytes().removeprefix(b"Exif\0\0")
    kept = resource(1028, CAPTIONS) + resource(1058, exif) + resource(1060, b"<x:xmpmeta/>")
    drawn = resource(2001, b"path") + resource(1032, b"lines") + resource(1061, bytes(16))
    content = psd(smooth(), kept + drawn, layered=True)
    (tmp_path / "in.psd").write_bytes(content)
    picture = read(tmp_path / "in.psd")
    np.testing.assert_array_equal(picture.pixels, smooth())
    assert picture.info["iptc"] == CAPTIONS
    assert picture.info["exif"].endswith(exif[-40:])
    assert picture.info["xmp"] == b"<x:xmpmeta/>"
    assert picture.notes == (
        "its layers are not kept: the merged picture is read",
        "its guides, paths of Photoshop are not kept",
    )
    segment = b"Photoshop 3.0\0" + kept[: len(resource(1028, CAPTIONS))] + drawn
    marked = b"\xff\xed" + (2 + len(segment)).to_bytes(2, "big") + segment
    Image.fromarray(smooth()).save(tmp_path / "in.jpg", extra=marked)
    block = (34377, "B", len(drawn), drawn, True)
    layers = (37724, "B", 40, b"8BIM" * 10, True)
    options = {"photometric": "rgb", "metadata": None, "extratags": [block, layers]}
    tifffile.imwrite(tmp_path / "in.tif", smooth(), **options)
    assert read(tmp_path / "in.jpg").notes == ("its guides, paths of Photoshop are not kept",)
    assert read(tmp_path / "in.tif").notes == (
        "its layers of Photoshop are not kept",
        "its guides, paths of Photoshop are not kept",
    )


def test_losses_of_formats_that_are_only_read_are_named(tmp_path: Path) -> None:
    Image.fromarray(smooth(64, 64)).save(tmp_path / "in.ico", sizes=[(16, 16), (32, 32), (64, 64)])
    picture = read(tmp_path / "in.ico")
    assert picture.pixels.shape[:2] == (64, 64)
    assert picture.notes == ("holds 3 sizes; only the largest is read",)
    Image.fromarray(smooth()).save(tmp_path / "in.tga", id_section=b"by Ann")
    assert read(tmp_path / "in.tga").info["comment"] == b"by Ann"
    content = cv2.imencode(".hdr", smooth().astype(np.float32))[1].tobytes()
    stated = content.replace(b"\nFORMAT", b"\nEXPOSURE=2.5\nFORMAT", 1)
    (tmp_path / "in.hdr").write_bytes(stated)
    assert read(tmp_path / "in.hdr").notes == ("its header is not kept: EXPOSURE",)


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="needs exiftool")
def test_captions_and_xmp_of_a_raw_file_are_kept(tmp_path: Path) -> None:
    (tmp_path / "in.dng").write_bytes(dng())
    told = ["-q", "-overwrite_original", "-XMP-xmp:Rating=4", "-IPTC:City=Bonn"]
    subprocess.run(["exiftool", *told, tmp_path / "in.dng"], check=True)
    picture = read(tmp_path / "in.dng")
    assert b"Rating" in picture.info["xmp"]
    assert b"Bonn" in picture.info["iptc"]


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
