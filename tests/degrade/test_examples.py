from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from pictures import smooth

from restore.degrade.examples import KINDS, degrade
from restore.degrade.recipes import RECIPES
from restore.degrade.sheet import SEVERITIES, contact_sheet
from restore.heads import HEADS


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_fixes_the_picture(kind: str) -> None:
    clean = smooth(40, 52)
    one, again, other = (degrade(kind, clean, 0.6, seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()
    assert (one.shape, one.dtype) == (clean.shape, np.uint8)


@pytest.mark.parametrize("kind", KINDS)
def test_every_depth_is_degraded_alike(kind: str) -> None:
    clean = smooth(40, 52)
    eight = degrade(kind, clean, 0.6, 3)
    deep = degrade(kind, clean.astype(np.uint16) * 257, 0.6, 3)
    real = degrade(kind, clean.astype(np.float32) / 255, 0.6, 3)
    assert (deep.dtype, real.dtype) == (np.uint16, np.float32)
    assert np.abs(deep / 257 - eight).max() <= 0.5 + 1e-3
    assert np.abs(real * 255 - eight).max() <= 0.5 + 1e-3


@pytest.mark.parametrize("kind", KINDS)
def test_zero_is_the_picture_itself_and_more_is_worse(kind: str) -> None:
    clean = smooth(96, 96)
    errors = [
        np.mean(
            [
                np.square(degrade(kind, clean, s, seed) - clean.astype(float)).mean()
                for seed in range(4)
            ]
        )
        for s in (0, 0.2, 0.6, 1)
    ]
    assert errors[0] == 0
    assert errors == sorted(errors)
    assert errors[1] > 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_touch_is_nearly_nothing(kind: str) -> None:
    clean = smooth(96, 96)
    for seed in range(5):
        error = np.square(degrade(kind, clean, 0.002, seed) - clean.astype(float)).mean()
        assert error < 2  # 45 dB


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(1, 1), (17, 3), (2, 40)])
def test_any_size_and_grey_pictures(kind: str, size: tuple[int, int]) -> None:
    grey = smooth(*size)[..., 0]
    assert degrade(kind, grey, 0.7, 0).shape == size
    assert degrade(kind, smooth(*size), 0.7, 0).shape == (*size, 3)


def test_a_large_picture_rains_in_pieces() -> None:
    module = sys.modules["restore.degrade.rain"]  # its package exports a function of that name
    clean = smooth(64, 64)
    whole = degrade("rain", clean, 0.8, 0)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, "PIXELS_AT_ONCE", 64 * 64)
        pieces = degrade("rain", clean, 0.8, 0)
    means = [np.mean(picture - clean.astype(float)) for picture in (whole, pieces)]
    assert means[0] == pytest.approx(means[1], rel=0.25)


def test_a_sheet_shows_every_kind_at_every_severity() -> None:
    clean = smooth(300, 280)
    sheet = contact_sheet(clean, 0)
    assert sheet.shape == (len(KINDS) * (256 + 14), len(SEVERITIES) * 256, 3)
    rows = sheet.reshape(len(KINDS), 270, -1, 3)
    for row in rows:  # the first column is the picture's middle
        np.testing.assert_array_equal(row[14:, :256], clean[22:278, 12:268])
        assert row[:14].max() > 200  # a label
    assert contact_sheet(smooth(20, 30)[..., 0], 0).shape == (len(KINDS) * 34, 6 * 30, 3)


@pytest.mark.parametrize("task", HEADS)
def test_every_head_has_a_recipe(task: str) -> None:
    clean = torch.from_numpy(smooth(64, 64).copy()).permute(2, 0, 1)[None].float() / 255
    clean = clean.repeat(6, 1, 1, 1)
    recipe = RECIPES[HEADS[task].degradation]
    generator = torch.Generator().manual_seed(0)
    degraded = recipe.degrade(clean, generator)
    assert (degraded.shape, degraded.dtype) == (clean.shape, torch.float32)
    assert (degraded != clean).flatten(1).any(dim=1).sum() >= 3
    if recipe.at_depth:
        depth = torch.linspace(0, 8, 64).expand(6, 1, 64, 64)
        metric = torch.tensor([True, False] * 3)
        hazy = recipe.at_depth(clean, generator, depth, metric)
        assert hazy.isfinite().all()
        assert (hazy != clean).any()
    if recipe.pair:
        bright = torch.ones_like(clean)
        degraded = recipe.pair(clean, bright, generator)
        assert degraded.shape == clean.shape
        again = [recipe.pair(clean, bright, generator) for _ in range(40)]
        healthy = torch.cat([(d == bright).flatten(1).all(dim=1) for d in again]).float().mean()
        assert 0 < healthy < 0.2
