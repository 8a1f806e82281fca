from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from restore.errors import ImageError, UsageError
from restore.evaluate.metrics import luma, match_mean, psnr, ssim
from restore.evaluate.protocol import BASIC, metrics_of
from restore.evaluate.report import (
    Case,
    Row,
    Subject,
    evaluate,
    gaussian_cases,
    means,
    paired_cases,
    to_uint8,
)


def picture(seed: int, height: int = 20, width: int = 30) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def unchanged(image: np.ndarray) -> np.ndarray:
    return image


def folder(path: Path, **pictures: np.ndarray) -> Path:
    """A folder of PNGs by name."""
    path.mkdir()
    for name, pixels in pictures.items():
        Image.fromarray(pixels).save(path / f"{name}.png")
    return path


def test_noise_is_seeded_by_place_and_neither_clipped_nor_rounded(tmp_path: Path) -> None:
    targets = folder(tmp_path / "in", b=picture(1), a=picture(0), c=picture(2)[..., 0])
    (targets / "notes.txt").write_text("not a picture")
    cases = list(gaussian_cases(targets, 25))
    assert [case.name for case in cases] == ["a", "b", "c"]
    for i, case in enumerate(cases):
        target = picture(i) if i < 2 else picture(2)[..., 0]
        noisy = target + np.random.default_rng(i).standard_normal(target.shape) * 25
        np.testing.assert_array_equal(case.target, target)
        assert case.degraded.dtype == np.float32
        np.testing.assert_allclose(case.degraded * 255, noisy, atol=1e-4)
        assert case.degraded.min() < 0
        assert case.degraded.max() > 1


def test_pairs_are_found_by_name_whatever_the_format(tmp_path: Path) -> None:
    inputs = folder(tmp_path / "in", b=picture(0), a=picture(1))
    targets = folder(tmp_path / "out", a=picture(2))
    Image.fromarray(picture(3)).save(targets / "b.BMP")
    cases = list(paired_cases(inputs, targets))
    assert [case.name for case in cases] == ["a", "b"]
    for case, degraded, target in zip(cases, (1, 0), (2, 3), strict=True):
        np.testing.assert_array_equal(case.degraded, picture(degraded))
        np.testing.assert_array_equal(case.target, picture(target))


@pytest.mark.parametrize(
    ("inputs", "targets", "what"),
    [
        ({"a": picture(0), "b": picture(0)}, {"a": picture(0)}, "targets: has no picture called b"),
        ({"b": picture(0)}, {"b": picture(0), "a": picture(0)}, "inputs: has no picture called a"),
        ({"a": picture(0)}, {"a": picture(0, 20, 31)}, r"a.png: is 30 x 20, .* is 31 x 20"),
        ({"a": picture(0)}, {"a": picture(0)[..., 0]}, r"a.png: is .* is \(20, 30\)"),
        ({}, {"a": picture(0)}, "inputs: holds no pictures"),
    ],
    ids=["no target", "no input", "size", "colour", "empty"],
)
def test_what_is_no_pair_is_named(
    tmp_path: Path, inputs: dict[str, np.ndarray], targets: dict[str, np.ndarray], what: str
) -> None:
    folders = folder(tmp_path / "inputs", **inputs), folder(tmp_path / "targets", **targets)
    with pytest.raises(ImageError, match=rf"\A.*{what}.*\Z"):
        list(paired_cases(*folders))


def test_two_pictures_of_one_name_are_refused(tmp_path: Path) -> None:
    inputs = folder(tmp_path / "in", a=picture(0))
    targets = folder(tmp_path / "out", a=picture(0))
    Image.fromarray(picture(1)).save(inputs / "a.bmp")
    with pytest.raises(ImageError, match=r"\A.*in: a.bmp and a.png have one name; keep one\Z"):
        list(paired_cases(inputs, targets))


def test_what_the_folders_lack_is_said_before_any_picture_is_read(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"\A.*none: no such folder\Z"):
        gaussian_cases(tmp_path / "none", 25)
    inputs = folder(tmp_path / "in", a=picture(0), b=picture(0))
    targets = folder(tmp_path / "out", a=picture(0))
    with pytest.raises(ImageError, match=r"\A.*out: has no picture called b\Z"):
        paired_cases(inputs, targets)


def test_outputs_are_compared_as_a_file_would_hold_them() -> None:
    target = picture(0)
    degraded = (target / 255 + 0.3).astype(np.float32)

    def restore(image: np.ndarray) -> np.ndarray:
        assert image is degraded
        return np.clip(image - np.float32(0.3 + 0.4 / 255), 0, 1)  # rounded, perfect

    subjects = [Subject("model", "", restore), Subject("input", "", to_uint8)]
    model, itself = evaluate(subjects, [Case("a", degraded, target)], BASIC)
    assert (model.picture, model.subject) == ("a", "model")
    assert model.values == {"PSNR": math.inf, "SSIM": pytest.approx(1)}
    file = np.rint(np.clip(degraded, 0, 1) * 255).astype(np.uint8)
    assert (itself.picture, itself.subject) == ("a", "input")
    assert itself.values == {"PSNR": psnr(file, target), "SSIM": ssim(file, target)}


def test_pictures_from_files_are_compared_as_they_are() -> None:
    degraded, target, output = picture(0), picture(1), picture(2)
    subject = Subject("model", "", lambda image: output)
    (row,) = evaluate([subject], [Case("a", degraded, target)], BASIC)
    assert row.values == {"PSNR": psnr(output, target), "SSIM": ssim(output, target)}


def test_cases_are_restored_one_at_a_time() -> None:
    pending = iter([Case(name, picture(0), picture(1)) for name in "ab"])
    rows = evaluate([Subject("model", "", unchanged)], pending, BASIC)
    assert next(rows).picture == "a"
    assert next(pending).name == "b"  # not read before its turn


def test_a_picture_that_is_too_small_is_named() -> None:
    case = Case("tiny", picture(0, 10, 30), picture(1, 10, 30))
    with pytest.raises(ImageError, match=r"\Atiny: SSIM needs pictures of at least 11 x 11.*\Z"):
        list(evaluate([Subject("model", "", unchanged)], [case], BASIC))


@pytest.mark.parametrize("grey", [False, True])
def test_a_task_is_measured_by_what_its_literature_reports(grey: bool) -> None:
    output, target = (image[..., 0] if grey else image for image in (picture(0), picture(1)))
    basic = {"PSNR": psnr(output, target), "SSIM": ssim(output, target)}
    on_y = luma(output), luma(target)
    expected = {
        "denoise": basic,
        "deblur": basic,
        "derain": basic | {"PSNR-Y": psnr(*on_y), "SSIM-Y": ssim(*on_y)},
        "dehaze": basic,
        "enhance": basic | {"PSNR-GT-mean": psnr(match_mean(output, target), target)},
    }
    for task, values in expected.items():
        metrics = metrics_of(task)
        (row,) = evaluate([Subject("x", "", unchanged)], [Case("a", output, target)], metrics)
        assert row.values == values
        assert all(metric.protocol for metric in metrics)
    with pytest.raises(UsageError, match="no task is called 'sharpen'"):
        metrics_of("sharpen")


def test_means_are_over_the_pictures_of_a_subject() -> None:
    rows = [
        Row("a", "model", {"PSNR": 30, "SSIM": 0.8}),
        Row("a", "input", {"PSNR": 20, "SSIM": 0.5}),
        Row("b", "model", {"PSNR": 34, "SSIM": 0.9}),
        Row("b", "input", {"PSNR": 21, "SSIM": 0.7}),
    ]
    model, itself = means(rows)
    assert (model.picture, model.subject) == ("mean", "model")
    assert model.values == pytest.approx({"PSNR": 32, "SSIM": 0.85})
    assert itself.values == pytest.approx({"PSNR": 20.5, "SSIM": 0.6})
    assert means([]) == []


def test_a_perfect_picture_makes_the_mean_infinite() -> None:
    rows = [Row("a", "model", {"PSNR": math.inf}), Row("b", "model", {"PSNR": 30.0})]
    assert means(rows)[0].values == {"PSNR": math.inf}
