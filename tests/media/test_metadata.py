"""Metadata: profile, EXIF, resolution, orientation, subsampling."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pictures import (
    ICC,
    Base,
    Gps,
    Ifd,
    copied,
    coverage,
    metadata,
    saved,
    smooth,
)
from PIL import Image

from restore.media.image import read
from restore.media.metadata import resolution

# Kept metadata


@pytest.mark.parametrize("target", [".png", ".jpg", ".webp", ".tif"])
@pytest.mark.parametrize("source", [".png", ".jpg", ".webp", ".tif"])
def test_profile_and_exif_are_kept(tmp_path: Path, source: str, target: str) -> None:
    # As bytes: given an `Exif`, Pillow's TIFF writer leaves out the directories below it.
    options = {"exif": metadata().tobytes(), "icc_profile": ICC}
    start = saved(tmp_path / f"in{source}", smooth(), **options)
    with Image.open(copied(start, tmp_path / f"out{target}")) as file:
        exif = file.getexif()
        assert file.info["icc_profile"] == ICC
        assert exif[Base.Make] == "Maker"
        assert exif[Base.Software] == "Firmware"
        assert exif.get_ifd(Ifd.Exif)[Base.DateTimeOriginal] == "2020:01:02 03:04:05"
        assert exif.get_ifd(Ifd.Exif)[Base.ExposureTime] == 0.01
        assert exif.get_ifd(Ifd.GPSInfo)[Gps.GPSLatitudeRef] == "N"
        assert exif.get_ifd(Ifd.GPSInfo)[Gps.GPSLatitude] == (52.0, 30.0, 1.5)
    assert read(tmp_path / f"out{target}").pixels.shape == (40, 56, 3)


@pytest.mark.parametrize("target", [".png", ".jpg", ".bmp", ".tif"])
@pytest.mark.parametrize("source", [".png", ".jpg", ".bmp", ".tif"])
def test_resolution_is_kept(tmp_path: Path, source: str, target: str) -> None:
    start = saved(tmp_path / f"in{source}", smooth(), dpi=(300, 150))
    with Image.open(copied(start, tmp_path / f"out{target}")) as file:
        assert file.info["dpi"] == pytest.approx((300, 150), abs=0.1)


def test_a_tiff_without_resolution_does_not_get_one_dot_per_inch(tmp_path: Path) -> None:
    start = saved(tmp_path / "in.tif", smooth())
    with Image.open(copied(start, tmp_path / "out.jpg")) as file:
        assert "dpi" not in file.info


@pytest.mark.parametrize("dpi", [(float("nan"), 300), (0, 0), (1e9, 1e9), None, ("x", 1)], ids=str)
def test_a_resolution_that_makes_no_sense_is_dropped(dpi: object) -> None:
    assert resolution(dpi) is None


def upright(stored: np.ndarray, orientation: int) -> np.ndarray:
    """The picture as it is to be seen, from the definition of the EXIF tag."""
    return {
        1: stored,
        2: stored[:, ::-1],
        3: stored[::-1, ::-1],
        4: stored[::-1],
        5: stored.swapaxes(0, 1),
        6: np.rot90(stored, -1),
        7: stored[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(stored, 1),
    }[orientation]


@pytest.mark.parametrize("suffix", [".png", ".tif"])  # TIFF: Pillow reads it in its own way
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_once_and_reset(
    tmp_path: Path, orientation: int, suffix: str
) -> None:
    exif = metadata()
    exif[Base.Orientation] = orientation
    stored = np.dstack((smooth(), coverage()))
    seen = upright(stored, orientation)
    start = saved(tmp_path / f"in{suffix}", stored, exif=exif.tobytes())
    for path in (start, copied(start, tmp_path / f"out{suffix}")):
        picture = read(path)
        assert picture.alpha is not None
        np.testing.assert_array_equal(picture.pixels, seen[..., :3])
        np.testing.assert_array_equal(picture.alpha, seen[..., 3])
    with Image.open(tmp_path / f"out{suffix}") as file:
        assert file.size == seen.shape[1::-1]
        assert file.getexif().get(Base.Orientation, 1) == 1
        assert file.getexif()[Base.Make] == "Maker"


@pytest.mark.parametrize("suffix", [".jpg", ".webp"])
def test_orientation_is_applied_to_lossy_files_too(tmp_path: Path, suffix: str) -> None:
    exif = Image.Exif()
    exif[Base.Orientation] = 6
    start = saved(tmp_path / f"in{suffix}", smooth(), exif=exif, quality=95)
    again = read(copied(start, tmp_path / f"out{suffix}")).pixels.astype(int)
    assert np.abs(again - upright(smooth(), 6)).mean() < 4


def test_what_exif_says_of_the_old_file_is_not_said_of_the_new(tmp_path: Path) -> None:
    # Some phones write the sensor's size among the tags that, in a TIFF, are the picture's own.
    exif = metadata()
    exif[Base.ImageWidth], exif[Base.ImageLength], exif[Base.PhotometricInterpretation] = 9999, 3, 0
    start = saved(tmp_path / "in.png", smooth(), exif=exif.tobytes())
    again = copied(start, tmp_path / "out.tif")
    np.testing.assert_array_equal(read(again).pixels, smooth())
    with Image.open(copied(again, tmp_path / "back.jpg")) as file:
        kept = set(file.getexif())
    assert kept == {Base.Make, Base.Software, Ifd.Exif, Ifd.GPSInfo}


@pytest.mark.parametrize("sampling", [0, 1, 2])
def test_chroma_subsampling_follows_the_source(tmp_path: Path, sampling: int) -> None:
    from PIL.JpegImagePlugin import get_sampling

    start = saved(tmp_path / "in.jpg", smooth(), subsampling=sampling)
    with Image.open(copied(start, tmp_path / "out.jpg")) as file:
        assert get_sampling(file) == sampling


@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_chroma_is_not_subsampled_where_the_source_says_nothing(
    tmp_path: Path, suffix: str
) -> None:
    from PIL.JpegImagePlugin import get_sampling

    start = saved(tmp_path / f"in{suffix}", smooth())
    with Image.open(copied(start, tmp_path / "out.jpg")) as file:
        assert get_sampling(file) == 0
