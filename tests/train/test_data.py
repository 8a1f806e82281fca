from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_run import CONFIG, CPU, Degradation, clean_pictures, noise, picture, picture_pairs
from torch import Generator, Tensor

from restore.degrade.recipes import Recipe
from restore.errors import TrainingError
from restore.train.data import Sampler
from restore.train.sources import DEPTH, Pictures, Source


def mark(clean: Tensor, generator: Generator) -> Tensor:
    """A degradation that shows which patches went through it."""
    return clean + 2


def sampler(*data: Pictures, degrade: Degradation = noise, **changes: Any) -> Sampler:
    return Sampler(data, replace(CONFIG, **changes), Recipe(degrade), CPU)


def batches(sampler: Sampler, steps: int) -> list[tuple[Tensor, Tensor]]:
    return [sampler.batch(step) for step in range(steps)]


def pair(height: int = 70, width: int = 90) -> tuple[np.ndarray, np.ndarray]:
    """Input = target + 50, at every pixel."""
    rng = np.random.default_rng(0)
    target = rng.integers(0, 200, (height, width, 3), dtype=np.uint8)
    return target + np.uint8(50), target


def rows_and_columns(side: int) -> np.ndarray:
    """Red counts rows, green counts columns: every pixel tells where it comes from."""
    row, column = np.mgrid[:side, :side].astype(np.uint8)
    return np.dstack((row, column, np.zeros_like(row)))


# Patches of a step


def test_a_batch_follows_from_seed_and_step_alone() -> None:
    data = clean_pictures(picture(50, 70), picture(90, 40)), picture_pairs(pair())
    forward = batches(sampler(*data), 4)
    again = sampler(*data)
    for step in (3, 1, 0, 2):
        for one, other in zip(forward[step], again.batch(step), strict=True):
            assert torch.equal(one, other)


@pytest.mark.parametrize(("seed", "step", "part"), [(0, 1, 0), (1, 0, 0), (0, 0, 1)])
def test_another_seed_step_or_part_is_another_batch(seed: int, step: int, part: int) -> None:
    data = clean_pictures(picture(50, 70))
    degraded, clean = sampler(data).batch(0)
    others, other_clean = sampler(data, seed=seed).batch(step, part)
    assert not torch.equal(clean, other_clean)
    assert not torch.allclose(degraded - clean, others - other_clean, atol=1e-3)


def test_patches_have_the_shapes_asked_for_and_fill_the_step() -> None:
    config = {"patches": ((32, 32), (32, 64), (96, 64)), "pixels_per_step": 8 * 32 * 32}
    seen = {
        (tuple(batch.shape), batch.dtype)
        for both in batches(sampler(clean_pictures(picture(128, 128)), **config), 30)
        for batch in both
    }
    shapes = [(8, 3, 32, 32), (4, 3, 32, 64), (1, 3, 96, 64)]
    assert seen == {(shape, torch.float32) for shape in shapes}


def test_pixels_keep_their_values() -> None:
    shown = picture(32, 32)
    _, clean = sampler(clean_pictures(shown)).batch(0)
    levels = (clean * 255).round().unique().to(torch.uint8)
    assert torch.equal(levels, torch.from_numpy(shown).unique())
    assert (clean * 255 - (clean * 255).round()).abs().max() < 1e-4


def test_patches_come_from_everywhere_in_all_eight_orientations() -> None:
    side = 36
    orientations, corners = Counter[tuple[int, ...]](), set()
    for _, clean in batches(sampler(clean_pictures(rows_and_columns(side))), 100):
        pixels = (clean[:, :2] * 255).round().int()
        down, right = pixels.diff(dim=2), pixels.diff(dim=3)
        for i in range(len(clean)):
            # Constant slopes: neighbours in the patch were neighbours in the picture.
            slopes = [s[i, c] for s in (down, right) for c in (0, 1)]
            assert all((s == s[0, 0]).all() for s in slopes)
            orientations[tuple(int(s[0, 0]) for s in slopes)] += 1
            corners.add(tuple(pixels[i].amin(dim=(1, 2)).tolist()))
    assert len(orientations) == 8
    assert min(orientations.values()) > 200 / 8 / 3
    assert corners == {(top, left) for top in range(5) for left in range(5)}


def test_pairs_stay_aligned() -> None:
    data = picture_pairs(pair(), pair(40, 50))
    for degraded, clean in batches(sampler(data, patches=((32, 64), (64, 32))), 20):
        difference = (degraded - clean) * 255
        torch.testing.assert_close(difference, torch.full_like(clean, 50), rtol=0, atol=1e-3)


@pytest.mark.parametrize("size", [(20, 20), (5, 50), (50, 7), (1, 1)])
def test_a_picture_smaller_than_the_patch_is_used(size: tuple[int, int]) -> None:
    small = picture(*size)
    for _, clean in batches(sampler(clean_pictures(small)), 4):
        assert clean.shape == (2, 3, 32, 32)
        assert set((clean * 255).round().unique().tolist()) <= set(small.flatten().tolist())


def test_a_picture_smaller_than_the_patch_is_mirrored_at_its_edge() -> None:
    # Rows 0 to 19, then 19 down to 8: whichever way the patch is turned.
    _, clean = sampler(clean_pictures(rows_and_columns(20))).batch(0)
    for patch in (clean * 255).round().int():
        for channel in (0, 1):
            counts = Counter(patch[channel].flatten().tolist())
            assert counts == {k: 32 if k < 8 else 64 for k in range(20)}


def test_large_pictures_are_drawn_in_proportion_to_area() -> None:
    black, white = np.zeros((64, 64, 3), np.uint8), np.full((64, 192, 3), 255, np.uint8)
    for data in (clean_pictures(black, white), picture_pairs((black,) * 2, (white,) * 2)):
        clean = [clean for _, clean in batches(sampler(data, pixels_per_step=20 * 1024), 20)]
        assert torch.cat(clean).mean().item() == pytest.approx(0.75, abs=0.06)


@pytest.mark.parametrize(
    ("clean", "pairs", "from_pairs"), [(1, 1, 0.5), (0.7, 0.3, 0.3), (2, 1, 1 / 3), (1, 1e-9, 0)]
)
def test_sources_are_mixed_by_their_weights(clean: float, pairs: float, from_pairs: float) -> None:
    data = clean_pictures(picture(64, 64), weight=clean), picture_pairs(pair(), weight=pairs)
    drawn = sampler(*data, degrade=mark, pixels_per_step=20 * 1024)
    degraded = torch.cat([degraded for degraded, _ in batches(drawn, 20)])
    share = (degraded.flatten(1).amax(dim=1) < 2).float().mean().item()
    assert share == pytest.approx(from_pairs, abs=0.06)


def test_real_pairs_can_be_made_worse() -> None:
    recipe = Recipe(noise, pair=lambda degraded, clean, generator: degraded + 3)
    degraded, clean = Sampler([picture_pairs(pair())], CONFIG, recipe, CPU).batch(0)
    torch.testing.assert_close(degraded, clean + 50 / 255 + 3)


# Sizes


def test_pictures_are_seen_at_every_size_equally_often() -> None:
    # Bars of 4 pixels: 4 wide as they are, 2 at half their size, 1 at a quarter.
    bars = np.repeat(np.uint8(255) * (np.arange(128)[:, None] // 4 % 2 == 1), 128, axis=1)
    data = clean_pictures(np.dstack([bars.astype(np.uint8)] * 3))
    drawn = sampler(data, sides=(0, 64, 32), pixels_per_step=20 * 1024)
    clean = torch.cat([clean[:, 0] for _, clean in batches(drawn, 20)])
    edges = [clean.diff(dim=d).abs().gt(0.5).sum(dim=(1, 2)) / (32 * 31) for d in (1, 2)]
    widths = Counter((1 / torch.maximum(*edges)).round().int().tolist())
    assert set(widths) == {4, 2, 1}
    assert all(count / len(clean) == pytest.approx(1 / 3, abs=0.1) for count in widths.values())


def test_pairs_stay_aligned_at_every_size() -> None:
    drawn = sampler(picture_pairs(pair(90, 90)), sides=(45, 33))
    for degraded, clean in batches(drawn, 8):
        difference = (degraded - clean) * 255
        torch.testing.assert_close(difference, torch.full_like(clean, 50), rtol=0, atol=1.01)


def test_the_fraction_asked_for_is_plain_and_left_as_it_is() -> None:
    drawn = sampler(
        clean_pictures(picture(64, 64)), degrade=mark, plain=0.25, pixels_per_step=20 * 1024
    )
    degraded, clean = (torch.cat(side) for side in zip(*batches(drawn, 30), strict=True))
    untouched = (degraded == clean).flatten(1).all(dim=1)
    assert untouched.float().mean().item() == pytest.approx(0.25, abs=0.06)
    assert (clean[untouched].flatten(2).std(dim=2) < 0.5).all()
    assert degraded[untouched].max() <= 1


# Depth


def with_depth(*metric: bool) -> Pictures:
    """Depth is the red of the picture, so that every patch shows whether both were cut alike."""
    clean = [picture(60, 44, seed=i) for i in range(len(metric))]
    items = tuple(
        (c, c[..., 0].astype(np.float32) / 255, np.array(m))
        for c, m in zip(clean, metric, strict=True)
    )
    return Pictures(Source(DEPTH, Path("depth")), items)


def test_depth_is_reduced_with_its_picture_and_keeps_its_values() -> None:
    flat = np.full((40, 60, 3), 102, np.uint8), np.full((40, 60), 7.5, np.float32), np.array(True)
    reduced = Pictures(Source(DEPTH, Path("depth")), (flat,)).reduced(10)
    ((clean, depth, metric),) = reduced.items
    assert clean.shape == (10, 15, 3)
    assert (clean == 102).all()
    assert depth.dtype == np.float32
    np.testing.assert_allclose(depth, np.full((10, 15), 7.5))
    assert metric


def test_depth_is_cut_with_its_picture_and_reaches_the_degradation() -> None:
    def haze(clean: Tensor, generator: Generator, depth: Tensor, metric: Tensor) -> Tensor:
        assert depth.shape == (len(clean), 1, *clean.shape[2:])
        assert (metric.dtype, metric.shape) == (torch.bool, (len(clean),))
        return torch.where(metric[:, None, None, None], depth, -depth).expand_as(clean)

    data = Sampler([with_depth(True, False)], CONFIG, Recipe(noise, at_depth=haze), CPU)
    signs = set()
    for hazy, clean in batches(data, 8):
        torch.testing.assert_close(hazy.abs()[:, 0], clean[:, 0])
        signs |= set(hazy.flatten(1).sum(dim=1).sign().tolist())
    assert signs == {1.0, -1.0}


def test_a_task_without_use_for_depth_says_so() -> None:
    with pytest.raises(TrainingError, match="depth: this task has no use for depth"):
        sampler(with_depth(True))


@pytest.mark.parametrize("sources", [(), (clean_pictures(),), (clean_pictures(), picture_pairs())])
def test_a_run_needs_pictures(sources: tuple[Pictures, ...]) -> None:
    with pytest.raises(TrainingError, match="no training pictures"):
        sampler(*sources)
