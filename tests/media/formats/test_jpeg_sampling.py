"""JPEG keeps its input's chroma subsampling and progressive coding."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from ffmpeg_program import PICTURES, ffmpeg
from pictures import Base, copied, metadata, smooth
from PIL import Image
from PIL.JpegImagePlugin import get_sampling

from restore.media.image import read, write

LARGE = smooth(80, 112)


def coded(sampling: str, quality: int = 83, progressive: bool = False) -> bytes:
    factor = getattr(cv2, f"IMWRITE_JPEG_SAMPLING_FACTOR_{sampling}")
    options = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, factor, cv2.IMWRITE_JPEG_QUALITY, quality]
    options += [cv2.IMWRITE_JPEG_PROGRESSIVE, int(progressive)]
    return cv2.imencode(".jpg", np.ascontiguousarray(LARGE[..., ::-1]), options)[1].tobytes()


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("sampling", ["411", "420", "422", "440", "444"])
def test_a_jpeg_is_coded_as_its_input(tmp_path: Path, sampling: str, progressive: bool) -> None:
    with Image.open(io.BytesIO(coded(sampling, progressive=progressive))) as file:
        layers, tables = file.layer, file.quantization  # type: ignore[attr-defined]
    (tmp_path / "in.jpg").write_bytes(coded(sampling, progressive=progressive))
    copied(tmp_path / "in.jpg", tmp_path / "out.jpg")
    with Image.open(tmp_path / "out.jpg") as file:
        assert file.layer == layers  # type: ignore[attr-defined]
        assert file.quantization == tables  # type: ignore[attr-defined]
        assert bool(file.info.get("progressive")) == progressive
        before = read(tmp_path / "in.jpg").pixels.astype(int)
        assert np.abs(np.asarray(file) - before).mean() < 3


def test_a_rare_subsampling_keeps_metadata_and_takes_a_quality(tmp_path: Path) -> None:
    (tmp_path / "in.jpg").write_bytes(coded("440"))
    picture = read(tmp_path / "in.jpg").with_info(exif=metadata().tobytes(), dpi=(300, 300))
    write(picture, tmp_path / "out.jpg")
    write(picture.with_info(quality=20), tmp_path / "small.jpg")
    with Image.open(tmp_path / "out.jpg") as file:
        assert file.getexif()[Base.Make] == "Maker"
        assert file.info["dpi"] == (300, 300)
    with Image.open(tmp_path / "small.jpg") as file:
        layers = file.layer  # type: ignore[attr-defined]
        assert [layer[1:3] for layer in layers] == [(1, 2), (1, 1), (1, 1)]
    assert (tmp_path / "small.jpg").stat().st_size < (tmp_path / "out.jpg").stat().st_size


def test_grey_results_of_a_rare_subsampling_are_written(tmp_path: Path) -> None:
    (tmp_path / "in.jpg").write_bytes(coded("411"))
    picture = read(tmp_path / "in.jpg")
    write(picture.with_pixels(np.ascontiguousarray(picture.pixels[..., 0])), tmp_path / "grey.jpg")
    assert read(tmp_path / "grey.jpg").pixels.ndim == 2


@pytest.mark.parametrize(("form", "sampling"), [("yuvj420p", 2), ("yuvj422p", 1), ("yuvj444p", 0)])
def test_factors_that_are_not_the_smallest_are_understood(
    tmp_path: Path, form: str, sampling: int
) -> None:
    """FFmpeg states two luma samples to two of chroma, for example."""
    words = (*PICTURES, "-frames:v", "1", "-pix_fmt", form)
    source = ffmpeg(*words, tmp_path / "in.jpg")
    with Image.open(copied(source, tmp_path / "out.jpg")) as file:
        assert get_sampling(file) == sampling
