"""One picture from file to file by the heads that it needs: real files, read back by others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from judgements import judgement, use, use_tiny_models
from pictures import ICC, coverage, metadata, saved, smooth
from PIL import Image

import restore
from restore.errors import ImageError, UsageError

CPU = {"device": "cpu", "precision": "float32"}
SICK = judgement(0.4, noise=0.9, blur=0.8)
TWO_STEPS = (SICK, judgement(0.5, blur=0.8), judgement(0.6))
HEALTHY = judgement(0.95)


@pytest.fixture(autouse=True)
def tiny_models(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use_tiny_models(monkeypatch, tmp_path / "weights")


def test_a_healthy_picture_is_copied_byte_for_byte(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    source = saved(tmp_path / "in.jpg", smooth(), quality=71)
    use(monkeypatch, HEALTHY, judgement(0.4, noise=0.9), judgement(0.3))
    outcome = restore.auto_file(source, tmp_path / "out.jpg", **CPU)
    assert (outcome.status, outcome.model, outcome.steps) == ("done", "", ())
    assert (tmp_path / "out.jpg").read_bytes() == source.read_bytes()
    # So is one that no step has helped.
    outcome = restore.auto_file(source, tmp_path / "again.jpg", **CPU)
    assert [step.kept for step in outcome.steps] == [False]
    assert (tmp_path / "again.jpg").read_bytes() == source.read_bytes()


def test_a_healthy_picture_is_encoded_as_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    source = saved(tmp_path / "in.jpg", smooth(), quality=95)
    use(monkeypatch, HEALTHY, HEALTHY)
    restore.auto_file(source, tmp_path / "small.jpg", encode_quality=20, **CPU)
    assert (tmp_path / "small.jpg").stat().st_size < source.stat().st_size
    restore.auto_file(source, tmp_path / "out.bmp", **CPU)
    with Image.open(source) as before, Image.open(tmp_path / "out.bmp") as after:
        assert after.format == "BMP"
        np.testing.assert_array_equal(np.asarray(before), np.asarray(after))


def test_16_bits_go_through_all_steps_without_rounding(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use(monkeypatch, *TWO_STEPS)
    image = smooth().astype(np.uint16) * 257 + 77
    source = tmp_path / "in.tif"
    tifffile.imwrite(source, image, photometric="rgb")
    outcome = restore.auto_file(source, tmp_path / "out.tif", **CPU)
    assert outcome.model == "denoise-s1, deblur-s1"
    floats = image.astype(np.float32) / np.float32(65535)
    for head in ("denoise", "deblur"):
        floats = restore.Restorer(head, **CPU)(floats)
    wanted = np.rint(floats * np.float64(65535)).astype(np.uint16)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out.tif"), wanted)


def test_alpha_profile_and_metadata_stay(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use(monkeypatch, *TWO_STEPS)
    image = Image.fromarray(np.dstack([smooth(), coverage()]))
    source = saved(tmp_path / "in.png", image, icc_profile=ICC, exif=metadata())
    restore.auto_file(source, tmp_path / "out.png", **CPU)
    with Image.open(tmp_path / "out.png") as after:
        pixels = np.asarray(after)
        np.testing.assert_array_equal(pixels[..., 3], coverage())
        hidden = coverage() == 0
        np.testing.assert_array_equal(pixels[hidden, :3], smooth()[hidden])
        assert not np.array_equal(pixels[..., :3], smooth())
        assert after.info["icc_profile"] == ICC
        assert after.getexif()[271] == "Maker"


def test_the_stamp_names_every_kept_step(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use(monkeypatch, SICK, judgement(0.3, noise=0.9), judgement(0.6, 0.1, noise=0.9))
    source = saved(tmp_path / "in.png", smooth())
    restore.auto_file(source, tmp_path / "out.png", stamp=True, strength=0.5, **CPU)
    content = (tmp_path / "out.png").read_bytes()
    assert content.count(b"<stEvt:action>filtered") == 1
    assert b"deblur; model deblur-s1; SHA-256 " in content
    assert b"strength 0.5<" in content


def test_refuses_what_is_no_picture(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use(monkeypatch, SICK)
    source = saved(tmp_path / "in.png", smooth())
    with pytest.raises(UsageError, match="use auto_folder"):
        restore.auto_file(tmp_path, tmp_path / "out")
    with pytest.raises(UsageError, match="name a head for a clip"):
        restore.auto_file("clip.mp4", tmp_path / "out.png")
    with pytest.raises(UsageError, match="quality is an option of the AutoRestorer"):
        restore.auto_file(source, "out.png", restorer=restore.AutoRestorer(), quality="fast")
    with pytest.raises(ImageError, match="exists already"):
        restore.auto_file(source, source)
    broken = tmp_path / "broken.png"
    broken.write_bytes(source.read_bytes()[:60])
    with pytest.raises(ImageError, match="broken"):
        restore.auto_file(broken, tmp_path / "out.png")
    assert not (tmp_path / "out.png").exists()


def test_an_interruption_leaves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use(monkeypatch, *TWO_STEPS)
    source = saved(tmp_path / "in.png", smooth())

    def interrupt(step: restore.automatic.Step) -> None:
        raise KeyboardInterrupt

    before = sorted(tmp_path.iterdir())
    with pytest.raises(KeyboardInterrupt):
        restore.auto_file(source, tmp_path / "out.png", on_step=interrupt, **CPU)
    assert sorted(tmp_path.iterdir()) == before
