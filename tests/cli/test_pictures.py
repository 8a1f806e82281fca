"""Options for the file of a picture, on the command line."""

from __future__ import annotations

from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from command import one_error_line, restore
from models import save_model
from pictures import Base, metadata, saved, smooth
from PIL import Image

DEEP = (smooth().astype(np.uint16) * 257) ^ 0x5A


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures, and the model that changes nothing."""
    save_model(tmp_path, identity=True)
    saved(tmp_path / "photo.jpg", smooth(), quality=60, exif=metadata(), dpi=(300, 300))
    tifffile.imwrite(tmp_path / "deep.tif", DEEP, photometric="rgb", metadata=None)
    tifffile.imwrite(tmp_path / "pages.tif", np.stack((DEEP, DEEP)), photometric="rgb")
    light = (DEEP / np.float32(20000)).astype(np.float32)
    tifffile.imwrite(tmp_path / "light.tif", light, photometric="rgb", metadata=None)
    return tmp_path


def denoised(folder: Path, *arguments: str) -> list[str]:
    """The notes on standard error of a command that does its work."""
    outcome = restore("denoise", *arguments, "--model", "tiny.safetensors", cwd=folder)
    assert outcome.code == 0, outcome.stderr
    return outcome.stderr.splitlines()


def refused(folder: Path, *arguments: str, code: int = 1) -> str:
    """The one line of a command that leaves everything as it was."""
    before = sorted(folder.iterdir())
    outcome = restore("denoise", *arguments, "--model", "tiny.safetensors", cwd=folder)
    assert sorted(folder.iterdir()) == before
    return one_error_line(outcome, code)


def test_bits_follow_the_input_or_what_is_asked_for(folder: Path) -> None:
    assert denoised(folder, "deep.tif", "same.png") == []
    np.testing.assert_array_equal(imagecodecs.png_decode((folder / "same.png").read_bytes()), DEEP)
    assert denoised(folder, "deep.tif", "eight.png", "--bit-depth", "8") == []
    with Image.open(folder / "eight.png") as file:
        np.testing.assert_array_equal(np.asarray(file), np.rint(DEEP / 257).astype(np.uint8))
    assert denoised(folder, "light.tif", "light-out.tif") == []
    light = tifffile.imread(folder / "light.tif")
    assert light.max() > 3
    np.testing.assert_array_equal(tifffile.imread(folder / "light-out.tif"), light)
    denoised(folder, "photo.jpg", "more.tif", "--bit-depth", "16")
    assert tifffile.imread(folder / "more.tif").dtype == np.uint16


def test_states_losses(folder: Path) -> None:
    assert denoised(folder, "pages.tif", "out.jpg") == [
        "note: pages.tif: holds 2 pictures; only the first is read",
        "note: pages.tif: 16 bits per channel become 8, the most that JPEG holds",
    ]
    assert denoised(folder, "photo.jpg", "out.bmp") == [
        "note: photo.jpg: BMP cannot store the EXIF"
    ]
    assert denoised(folder, "photo.jpg", "quiet.bmp", "--quiet") == []


def test_a_jpeg_is_compressed_as_before_or_as_asked_for(folder: Path) -> None:
    denoised(folder, "photo.jpg", "same.jpg")
    denoised(folder, "photo.jpg", "small.jpg", "--encode-quality", "10")
    tables = []
    for name in ("photo.jpg", "same.jpg", "small.jpg"):
        with Image.open(folder / name) as file:
            tables.append(file.quantization)  # type: ignore[attr-defined]
            assert file.getexif()[Base.Make] == "Maker"
            assert file.info["dpi"] == (300, 300)
    assert tables[0] == tables[1] != tables[2]


def test_impossible_outputs_print_one_line_and_leave_nothing(folder: Path) -> None:
    told = refused(folder, "deep.tif", "out.jpg", "--bit-depth", "16")
    assert "out.jpg: JPEG has no 16 bits per channel; use one of .j2k, .jp2, .jxl, .pgm" in told
    told = refused(folder, "deep.tif", "out.png", "--max-pixels", "2239")
    assert "deep.tif: has more than 2,239 pixels; refused" in told
    (folder / "broken.tif").write_bytes((folder / "deep.tif").read_bytes()[:900])
    assert "broken.tif: " in refused(folder, "broken.tif", "out.png")
    (folder / "broken.exr").write_bytes(b"\x76\x2f\x31\x01" + bytes(99))
    assert "broken.exr: ends early, or is damaged" in refused(folder, "broken.exr", "out.png")


def test_choices_that_make_no_sense_are_wrong_usage(folder: Path) -> None:
    told = refused(folder, "deep.tif", "out.png", "--bit-depth", "12", code=2)
    assert told == "error: bit depth is '12'; use one of 8, 16, 32f"
    for option in (("--encode-quality", "101"), ("--max-pixels", "0")):
        outcome = restore("denoise", "deep.tif", "out.png", *option, cwd=folder)
        assert outcome.code == 2
        assert option[0] in outcome.stderr


def test_a_file_of_several_pictures_is_not_replaced_by_its_first(folder: Path) -> None:
    before = (folder / "pages.tif").read_bytes()
    told = refused(folder, "pages.tif", "pages.tif", "--overwrite")
    assert "pages.tif: holds several pictures; only the first would be kept" in told
    (folder / "link.tif").symlink_to("pages.tif")
    refused(folder, "pages.tif", "link.tif", "--overwrite")
    assert (folder / "pages.tif").read_bytes() == before
