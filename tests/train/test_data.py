from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_run import CONFIG, CPU, noise, picture
from torch import Generator, Tensor

from restore.errors import TrainingError
from restore.train.data import Sampler, TrainingData, read_clean, read_pairs

Degradation = Callable[[Tensor, Generator], Tensor]


def mark(clean: Tensor, generator: Generator) -> Tensor:
    """A degradation that shows which patches went through it."""
    return clean + 2


def sampler(data: TrainingData, degrade: Degradation = noise, **changes: Any) -> Sampler:
    return Sampler(data, replace(CONFIG, **changes), degrade)


def batches(sampler: Sampler, steps: int) -> list[tuple[Tensor, Tensor]]:
    return [sampler.batch(step, CPU) for step in range(steps)]


def pair(height: int = 70, width: int = 90) -> tuple[np.ndarray, np.ndarray]:
    """Input = target + 50, at every pixel."""
    rng = np.random.default_rng(0)
    target = rng.integers(0, 200, (height, width, 3), dtype=np.uint8)
    return target + np.uint8(50), target


def rows_and_columns(side: int) -> np.ndarray:
    """Red counts rows, green counts columns: every pixel tells where it comes from."""
    row, column = np.mgrid[:side, :side].astype(np.uint8)
    return np.dstack((row, column, np.zeros_like(row)))


# What a step sees


def test_a_batch_follows_from_seed_and_step_alone() -> None:
    data = TrainingData((picture(50, 70), picture(90, 40)), (pair(),))
    forward = batches(sampler(data, pairs_fraction=0.5), 4)
    again = sampler(data, pairs_fraction=0.5)
    for step in (3, 1, 0, 2):
        for one, other in zip(forward[step], again.batch(step, CPU), strict=True):
            assert torch.equal(one, other)


@pytest.mark.parametrize(("seed", "step"), [(0, 1), (1, 0)])
def test_another_seed_or_step_is_another_batch(seed: int, step: int) -> None:
    data = TrainingData((picture(50, 70),))
    degraded, clean = sampler(data).batch(0, CPU)
    others, other_clean = sampler(data, seed=seed).batch(step, CPU)
    assert not torch.equal(clean, other_clean)
    assert not torch.allclose(degraded - clean, others - other_clean, atol=1e-3)


def test_patches_have_the_shapes_asked_for_and_fill_the_step() -> None:
    config = {"patches": ((32, 32), (32, 64), (96, 64)), "pixels_per_step": 8 * 32 * 32}
    seen = {
        (tuple(batch.shape), batch.dtype)
        for both in batches(sampler(TrainingData((picture(128, 128),)), **config), 30)
        for batch in both
    }
    shapes = [(8, 3, 32, 32), (4, 3, 32, 64), (1, 3, 96, 64)]
    assert seen == {(shape, torch.float32) for shape in shapes}


def test_pixels_keep_their_values() -> None:
    data = TrainingData((picture(32, 32),))
    _, clean = sampler(data).batch(0, CPU)
    levels = (clean * 255).round().unique().to(torch.uint8)
    assert torch.equal(levels, torch.from_numpy(data.clean[0]).unique())
    assert (clean * 255 - (clean * 255).round()).abs().max() < 1e-4


def test_patches_come_from_everywhere_in_all_eight_orientations() -> None:
    side = 36
    orientations, corners = Counter[tuple[int, ...]](), set()
    for _, clean in batches(sampler(TrainingData((rows_and_columns(side),))), 100):
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
    data = TrainingData((), (pair(), pair(40, 50)))
    for degraded, clean in batches(sampler(data, patches=((32, 64), (64, 32))), 20):
        difference = (degraded - clean) * 255
        torch.testing.assert_close(difference, torch.full_like(clean, 50), rtol=0, atol=1e-3)


@pytest.mark.parametrize("size", [(20, 20), (5, 50), (50, 7), (1, 1)])
def test_a_picture_smaller_than_the_patch_is_used(size: tuple[int, int]) -> None:
    small = picture(*size)
    for _, clean in batches(sampler(TrainingData((small,))), 4):
        assert clean.shape == (2, 3, 32, 32)
        assert set((clean * 255).round().unique().tolist()) <= set(small.flatten().tolist())


def test_a_picture_smaller_than_the_patch_is_mirrored_at_its_edge() -> None:
    # Rows 0 to 19, then 19 down to 8: whichever way the patch is turned.
    _, clean = sampler(TrainingData((rows_and_columns(20),))).batch(0, CPU)
    for patch in (clean * 255).round().int():
        for channel in (0, 1):
            counts = Counter(patch[channel].flatten().tolist())
            assert counts == {k: 32 if k < 8 else 64 for k in range(20)}


def test_large_pictures_are_drawn_in_proportion_to_area() -> None:
    black, white = np.zeros((64, 64, 3), np.uint8), np.full((64, 192, 3), 255, np.uint8)
    for data in (TrainingData((black, white)), TrainingData((), ((black,) * 2, (white,) * 2))):
        clean = [clean for _, clean in batches(sampler(data, pixels_per_step=20 * 1024), 20)]
        assert torch.cat(clean).mean().item() == pytest.approx(0.75, abs=0.06)


CLEAN, PAIRS = (picture(64, 64),), (pair(),)


@pytest.mark.parametrize(
    ("data", "fraction", "from_pairs"),
    [
        (TrainingData(CLEAN, PAIRS), 0.0, 0.0),
        (TrainingData(CLEAN, PAIRS), 0.3, 0.3),
        (TrainingData(CLEAN, PAIRS), 1.0, 1.0),
        (TrainingData(CLEAN), 0.3, 0.0),
        (TrainingData((), PAIRS), 0.0, 1.0),
    ],
)
def test_the_fraction_of_pairs_is_kept_where_there_are_both(
    data: TrainingData, fraction: float, from_pairs: float
) -> None:
    drawn = sampler(data, mark, pairs_fraction=fraction, pixels_per_step=20 * 1024)
    degraded = torch.cat([degraded for degraded, _ in batches(drawn, 20)])
    share = (degraded.flatten(1).amax(dim=1) < 2).float().mean().item()
    assert share == pytest.approx(from_pairs, abs=0.06 if 0 < from_pairs < 1 else 0)


# Reading


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def test_pictures_are_read_in_order_of_name_and_the_rest_is_left(tmp_path: Path) -> None:
    for name, seed in (("b.png", 1), ("a.bmp", 2), ("C.PNG", 3), ("d/e.png", 4)):
        save(tmp_path / name, picture(9, 7, seed))
    (tmp_path / "notes.txt").write_text("not a picture")
    expected = [picture(9, 7, seed) for seed in (3, 2, 1)]
    np.testing.assert_array_equal(read_clean(tmp_path), expected)


COLOUR = picture(16, 16)
GREY = COLOUR[..., 0]
ALPHA = np.full_like(GREY, 100)


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        (GREY, np.dstack([GREY] * 3)),
        (np.dstack([GREY, ALPHA]), np.dstack([GREY] * 3)),
        (np.dstack([COLOUR, ALPHA]), COLOUR),
    ],
    ids=["grey", "grey with alpha", "colour with alpha"],
)
def test_every_picture_has_three_channels(
    tmp_path: Path, stored: np.ndarray, expected: np.ndarray
) -> None:
    save(tmp_path / "a.png", stored)
    (pixels,) = read_clean(tmp_path)
    np.testing.assert_array_equal(pixels, expected)


def test_pairs_go_by_name_whatever_their_format(tmp_path: Path) -> None:
    for name, seed in (("input/a.png", 1), ("input/b.bmp", 2), ("target/b.png", 3)):
        save(tmp_path / name, picture(9, 7, seed))
    save(tmp_path / "target/a.bmp", picture(9, 7, 4))
    expected = [[picture(9, 7, seed) for seed in seeds] for seeds in ((1, 4), (2, 3))]
    np.testing.assert_array_equal(read_pairs(tmp_path), expected)


def empty(folder: Path) -> None:
    folder.mkdir()


def a_file(folder: Path) -> None:
    folder.touch()


def damaged(folder: Path) -> None:
    save(folder / "a.png", COLOUR)
    (folder / "b.png").write_text("not a picture")


def sixteen_bits(folder: Path) -> None:
    save(folder / "b.png", GREY.astype(np.uint16))


def a_folder_called_png(folder: Path) -> None:
    (folder / "b.png").mkdir(parents=True)


Make = Callable[[Path], object]


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda folder: None, "bad: no such folder"),
        (a_file, "bad: no such folder"),
        (empty, "bad: holds no pictures"),
        (damaged, "b.png: not a picture"),
        (sixteen_bits, "b.png: holds .* 8-bit grey and RGB"),
        (a_folder_called_png, "b.png: is a folder"),
    ],
)
def test_clean_pictures_that_cannot_be_used_are_named(
    tmp_path: Path, make: Make, told: str
) -> None:
    make(tmp_path / "bad")
    with pytest.raises(TrainingError, match=told):
        read_clean(tmp_path / "bad")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda folder: (folder / "input/b.png").unlink(), "input: has no picture called b"),
        (lambda folder: (folder / "target/a.png").unlink(), "target: has no picture called a"),
        (
            lambda folder: save(folder / "input/a.png", picture(8, 9)),
            "input/a.png and .*target/a.png differ",
        ),
        (lambda folder: save(folder / "input/a.bmp", COLOUR), "a.bmp and a.png have one name"),
        (lambda folder: (folder / "target").rename(folder / "gt"), "target: no such folder"),
        (lambda folder: (folder / "target/b.png").write_text("?"), "target/b.png: not a picture"),
    ],
)
def test_pairs_that_cannot_be_used_are_named(tmp_path: Path, change: Make, told: str) -> None:
    for name in ("input/a.png", "input/b.png", "target/a.png", "target/b.png"):
        save(tmp_path / name, COLOUR)
    change(tmp_path)
    with pytest.raises(TrainingError, match=told):
        read_pairs(tmp_path)


def test_a_run_needs_pictures() -> None:
    with pytest.raises(TrainingError, match="no training pictures"):
        TrainingData(())
