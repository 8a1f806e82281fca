"""`restore degrade` as a person meets it: real processes, real files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from command import one_error_line, restore
from pictures import ICC, saved, smooth
from PIL import Image


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return saved(tmp_path / "photo.png", smooth(48, 64), icc_profile=ICC)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["noise", "blur", "rain", "haze", "lowlight"])
def test_a_degraded_picture_is_written_with_its_profile(kind: str, photo: Path) -> None:
    out = photo.with_name("out.png")
    outcome = restore("degrade", kind, photo, out, "--severity", "0.7", "--seed", "5")
    assert outcome.code == 0
    assert outcome.stdout == f"{photo} -> {out} ({kind}, severity 0.7, seed 5)\n"
    with Image.open(out) as file:
        assert (file.size, file.info["icc_profile"]) == ((64, 48), ICC)
        assert (np.asarray(file) != smooth(48, 64)).any()


@pytest.mark.slow
def test_a_contact_sheet_is_drawn(photo: Path) -> None:
    sheet = photo.with_name("sheet.png")
    words = ("degrade", "--contact-sheet", sheet, "--picture", photo)
    assert restore(*words).code == 0
    with Image.open(sheet) as file:
        assert file.size == (6 * 64, 6 * (48 + 14))
    assert "exists" in one_error_line(restore(*words))
    assert restore(*words, "--overwrite").code == 0


@pytest.mark.parametrize(
    "words",
    [
        ("rain",),
        ("rain", "a.png", "b.png", "--severity", "2"),
        ("snow", "a.png", "b.png"),
        ("--contact-sheet", "sheet.png"),
        ("--picture", "photo.png"),
        ("--contact-sheet", "sheet.png", "--picture", "photo.png", "rain", "a.png", "b.png"),
        ("--seed", "5", "rain", "a.png", "b.png"),
        ("--overwrite", "rain", "a.png", "b.png"),
    ],
)
def test_wrong_usage_is_told(words: tuple[str, ...], tmp_path: Path) -> None:
    outcome = restore("degrade", *words)
    assert outcome.code == 2
    assert "Error: " in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_names_files_that_cannot_be_read_or_written(photo: Path) -> None:
    assert "no.png" in one_error_line(
        restore("degrade", "haze", photo.with_name("no.png"), "x.png")
    )
    assert "exists" in one_error_line(restore("degrade", "haze", photo, photo))


def test_depth_stays_and_what_is_lost_is_said(tmp_path: Path) -> None:
    pages = np.stack([smooth(48, 64).astype(np.uint16) * 257] * 2)
    tifffile.imwrite(tmp_path / "in.tif", pages, photometric="rgb")
    outcome = restore("degrade", "haze", tmp_path / "in.tif", tmp_path / "out.tif")
    assert outcome.code == 0
    assert "in.tif: holds 2 pictures; only the first is read" in outcome.stderr
    degraded = tifffile.imread(tmp_path / "out.tif")
    assert (degraded.dtype, degraded.shape) == (np.uint16, (48, 64, 3))
    assert (degraded % 257).any()
