"""Views: each is what the head makes of the whole picture, as a screen shows it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from models import save_model
from pictures import smooth

from restore import Restorer
from restore.compare import Treatment, restored_views, view_of
from restore.compare.views import centre
from restore.errors import UsageError
from restore.evaluate.metrics import psnr
from restore.media.picture import Picture


@pytest.fixture
def model(tmp_path: Path) -> str:
    return str(save_model(tmp_path))


def test_each_treatment_is_the_restorers_result(model: str) -> None:
    picture = Picture(smooth(64, 80), None, {})
    reports: list[tuple[int, int]] = []
    treatments = [Treatment("denoise", model, strength) for strength in (0.5, 1)]
    views = list(
        restored_views(
            picture, treatments, progress=lambda *report: reports.append(report), device="cpu"
        )
    )
    assert [view.label for view in views] == [f"{model} at 0.5", model]
    restorer = Restorer("denoise", model, device="cpu")
    for view, strength in zip(views, (0.5, 1), strict=True):
        np.testing.assert_array_equal(view.pixels, restorer(picture.pixels, strength=strength))
    assert (views[0].pixels != views[1].pixels).any()
    assert all(done <= total for done, total in reports)
    assert reports


def test_crops_show_the_centre_of_the_whole_result(model: str) -> None:
    picture = Picture(smooth(64, 80), None, {})
    truth = Picture(smooth(64, 80) // 2, None, {})
    (view,) = restored_views(picture, [Treatment("denoise", model)], truth, crop=32, device="cpu")
    whole = Restorer("denoise", model, device="cpu")(picture.pixels)
    np.testing.assert_array_equal(view.pixels, whole[16:48, 24:56])
    assert view.psnr == psnr(whole, truth.pixels)


def test_a_crop_larger_than_the_picture_is_the_picture() -> None:
    assert centre(smooth(), 100).shape == smooth().shape
    assert centre(smooth(40, 56), 48).shape == (40, 48, 3)


def test_a_reference_of_another_size_is_named() -> None:
    picture, other = Picture(smooth(40, 56), None, {}), Picture(smooth(40, 50), None, {})
    message = r"in\.png and the reference differ in size: 56x40 and 50x40"
    with pytest.raises(UsageError, match=message):
        view_of(picture, "in.png", other)
