from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from restore.errors import ImageError
from restore.evaluate.metrics import psnr, ssim
from restore.evaluate.report import Case, Row, evaluate, gaussian_cases, mean, paired_cases


def picture(seed: int, height: int = 20, width: int = 30) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


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
        ({"a": picture(0)}, {"a": picture(0, 20, 31)}, r"a.png: is \(20, 30, 3\), .* is"),
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


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"\A.*none: no such folder\Z"):
        list(gaussian_cases(tmp_path / "none", 25))


def test_outputs_and_inputs_are_compared_as_a_file_would_hold_them() -> None:
    target = picture(0)
    degraded = (target / 255 + 0.3).astype(np.float32)

    def restore(image: np.ndarray) -> np.ndarray:
        assert image is degraded
        return np.clip(image - np.float32(0.3 + 0.4 / 255), 0, 1)  # rounded, perfect

    (row,) = evaluate(restore, iter([Case("a", degraded, target)]))
    assert row.name == "a"
    file = np.rint(np.clip(degraded, 0, 1) * 255).astype(np.uint8)
    assert row.input_psnr == psnr(file, target)
    assert row.psnr == math.inf
    assert row.ssim == pytest.approx(1)


def test_pictures_from_files_are_compared_as_they_are() -> None:
    degraded, target, output = picture(0), picture(1), picture(2)
    (row,) = evaluate(lambda image: output, iter([Case("a", degraded, target)]))
    assert row == Row("a", psnr(degraded, target), psnr(output, target), ssim(output, target))


def test_cases_are_restored_one_at_a_time() -> None:
    pending = iter([Case(name, picture(0), picture(1)) for name in "ab"])
    rows = evaluate(lambda image: image, pending)
    assert next(rows).name == "a"
    assert next(pending).name == "b"  # not read before its turn


def test_the_mean_is_over_pictures() -> None:
    rows = [Row("a", 20, 30, 0.8), Row("b", 21, 34, 0.9)]
    average = mean(rows)
    assert average.name == "mean"
    assert (average.input_psnr, average.psnr, average.ssim) == pytest.approx((20.5, 32, 0.85))
