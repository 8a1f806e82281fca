"""Several heads on one image: which ones, in which order, and what is left of the pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from judgements import judgement, use, use_tiny_models
from pictures import smooth
from PIL import Image

import restore
from restore.automatic import AutoRestorer
from restore.errors import ImageError, ModelNotFoundError, UsageError

CPU = {"device": "cpu", "precision": "float32"}
NOISY = {"noise": 0.9}


@pytest.fixture(autouse=True)
def tiny_models(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use_tiny_models(monkeypatch, tmp_path / "weights")


def test_a_healthy_image_stays_the_same_object(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, judgement(0.95))
    image = smooth()
    result = AutoRestorer(**CPU)(image)
    assert result.image is image
    assert (result.steps, result.kept) == ((), ())


def test_heads_run_in_order_while_they_help(monkeypatch: pytest.MonkeyPatch) -> None:
    script = use(
        monkeypatch,
        judgement(0.4, noise=0.9, rain=0.8, blur=0.7),
        judgement(0.5, noise=0.9, blur=0.7),
        judgement(0.45, noise=0.2, blur=0.7),  # of lower quality: undone
        judgement(0.6, blur=0.2, darkness=0.6),  # which shows darkness
        judgement(0.7, darkness=0.1),
    )
    started: list[str] = []
    finished: list[bool] = []
    result = AutoRestorer(**CPU)(
        smooth(),
        on_start=lambda step, restorer: started.append(restorer.task),
        on_step=lambda step: finished.append(step.kept),
    )
    assert started == ["derain", "denoise", "deblur", "enhance"]
    assert finished == [True, False, True, True]
    assert [step.head for step in result.kept] == ["derain", "deblur", "enhance"]
    assert [step.quality for step in result.steps] == [0.4, 0.5, 0.5, 0.6]
    assert result.judgement.quality == 0.4
    assert script.shown[0].dtype == np.uint8
    assert {pixels.dtype for pixels in script.shown[1:]} == {np.dtype(np.float32)}


def test_a_head_is_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, judgement(0.4, **NOISY), judgement(0.5, noise=0.8))
    assert [step.kept for step in AutoRestorer(**CPU)(smooth()).steps] == [True]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_pixels_are_rounded_once(monkeypatch: pytest.MonkeyPatch, dtype: type) -> None:
    use(
        monkeypatch,
        judgement(0.4, noise=0.9, blur=0.8),
        judgement(0.5, blur=0.8),
        judgement(0.6),
    )
    white = np.iinfo(dtype).max
    image = (smooth().astype(np.float64) * (white / 255)).astype(dtype)
    floats = image.astype(np.float32) / np.float32(white)
    for head in ("denoise", "deblur"):
        floats = restore.Restorer(head, **CPU)(floats)
    wanted = np.rint(floats * np.float64(white)).astype(dtype)
    result = AutoRestorer(**CPU)(image)
    np.testing.assert_array_equal(result.image, wanted)
    assert result.image.dtype == dtype


def test_one_step_has_the_bytes_of_its_head(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, judgement(0.4, 0.05, **NOISY), judgement(0.5))
    image = smooth()
    result = AutoRestorer(strength=0.5, **CPU)(image)
    assert result.steps[0].strength == pytest.approx(0.5 * 0.6)
    alone = restore.Restorer("denoise", strength=result.steps[0].strength, **CPU)
    np.testing.assert_array_equal(result.image, alone(image))


def test_undone_steps_leave_the_input(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, judgement(0.4, **NOISY), judgement(0.3))
    image = smooth()
    result = restore.auto(image, **CPU)
    assert result.image is image
    assert [step.kept for step in result.steps] == [False]


def test_other_kinds_of_image_come_back_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = (
        Image.fromarray(np.dstack([smooth(), smooth()[..., :1]])),
        torch.from_numpy(smooth()).permute(2, 0, 1),
        smooth()[..., 0],
    )
    for image in kinds:
        use(monkeypatch, judgement(0.4, **NOISY), judgement(0.5))
        result = restore.auto(image, **CPU).image
        assert type(result) is type(image)
        assert np.asarray(result).shape == np.asarray(image).shape
        assert np.asarray(result).dtype == np.asarray(image).dtype
        assert not np.array_equal(result, image)


def test_a_plan_loads_no_head(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, judgement(0.4, blur=0.9, noise=0.8))
    monkeypatch.setattr(AutoRestorer, "_restorer", None)
    planned = restore.plan(smooth(), quality="fast")
    assert [(s.head, s.model) for s in planned.steps] == [
        ("denoise", "denoise-small"),
        ("deblur", "deblur-small"),
    ]
    assert planned.judgement.quality == 0.4


def test_strength_zero_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, judgement(0.4, **NOISY))
    assert AutoRestorer(strength=0).plan(smooth()).steps == ()


def test_rejects_batches_unknown_options_and_missing_models(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    use(monkeypatch, judgement(0.4, **NOISY), judgement(0.4, **NOISY))
    with pytest.raises(ImageError, match="one image, got a batch of 2"):
        restore.auto(torch.zeros(2, 3, 16, 16))
    with pytest.raises(UsageError, match="model is chosen by the judge"):
        AutoRestorer(model="denoise-s1")
    with pytest.raises(UsageError, match="no option 'strenght'; did you mean 'strength'"):
        AutoRestorer(strenght=1)
    with pytest.raises(ModelNotFoundError, match="restore weights pull denoise"):
        restore.plan(smooth(), quality="best")
