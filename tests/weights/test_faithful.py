"""The shipped models add nothing of their own: no cast, no grid, no halo, no checkerboard.

Synthetic pictures on which any of it would show, as float32, so that rounding hides nothing.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
from drawn import bordered, page

from restore import Restorer
from restore.checkpoints import store
from restore.heads import HEADS

SHIPPED = list(HEADS)
SIZES = [(17, 23), (64, 64), (193, 289)]
LARGE = (500, 1010)
LEVELS = (0.1, 0.5, 0.9)
LEVEL = 1 / 255
CAST = dict.fromkeys(("deblur", "dehaze", "enhance"), 3 * LEVEL)
"""Difference of channels that half of a picture may have that is grey but for a pixel; `LEVEL` for
the other heads. A picture that is grey stays so exactly, for any output of the network."""


@lru_cache
def head(task: str) -> Restorer:
    return Restorer(task, device="cpu")


def sees_tiles(task: str) -> bool:
    """Whether the head is one that sees a picture in tiles, and not a scene reduced."""
    tiles = store.find(task).card.tile
    return tiles is not None and not tiles.reduce_to


@lru_cache
def cutting(task: str) -> Restorer:
    """The head, in smaller tiles than by default if it sees tiles."""
    return Restorer(task, tile=384, device="cpu") if sees_tiles(task) else head(task)


@lru_cache  # several tests look at the same pictures
def restored_flat(task: str, size: tuple[int, int], level: float) -> np.ndarray:
    return head(task)(flat(*size, level))


@lru_cache
def restored_ramp(task: str, size: tuple[int, int], across: bool) -> np.ndarray:
    return head(task)(grey(ramp(*size, across)))


def ramp(height: int, width: int, across: bool = True) -> np.ndarray:
    """Grey from 0.02 to 0.98, one channel."""
    steps = np.linspace(0.02, 0.98, width if across else height, dtype=np.float32)
    return np.broadcast_to(steps if across else steps[:, None], (height, width)).copy()


def grey(picture: np.ndarray) -> np.ndarray:
    return np.repeat(picture[..., None], 3, axis=2)


def flat(height: int, width: int, level: float) -> np.ndarray:
    return np.full((height, width, 3), level, np.float32)


def almost_grey(height: int, width: int, across: bool) -> np.ndarray:
    """A ramp with a pixel in a corner that is not grey, so that nothing treats it as such."""
    picture = grey(ramp(height, width, across))
    picture[0, 0, 0] += 4 * LEVEL
    return picture


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("task", SHIPPED)
def test_a_grey_ramp_gets_no_cast(task: str, size: tuple[int, int]) -> None:
    for across in (True, False):
        assert np.ptp(restored_ramp(task, size, across), axis=2).max() == 0
    byte = np.rint(grey(ramp(*size)) * 255).astype(np.uint8)
    assert np.ptp(head(task)(byte), axis=2).max() == 0


@pytest.mark.parametrize("size", SIZES[1:], ids=str)  # the first is hardly more than its corner
@pytest.mark.parametrize("task", SHIPPED)
def test_a_ramp_that_is_almost_grey_gets_hardly_any(task: str, size: tuple[int, int]) -> None:
    """Without the rule for grey pictures the network itself has to be neutral."""
    for across in (True, False):
        restored = head(task)(almost_grey(*size, across))
        assert np.median(np.ptp(restored, axis=2)) <= CAST.get(task, LEVEL)


def alternating(picture: np.ndarray, rows: bool, columns: bool) -> np.ndarray:
    """How strongly every second pixel differs, per channel: the mean of the highest frequency."""
    height, width = picture.shape[0] // 2 * 2, picture.shape[1] // 2 * 2
    signs = np.ones((height, width, 1))
    if rows:
        signs[1::2] *= -1
    if columns:
        signs[:, 1::2] *= -1
    return np.abs((picture[:height, :width] * signs).mean(axis=(0, 1)))


@pytest.mark.parametrize("size", SIZES[1:], ids=str)
@pytest.mark.parametrize("task", SHIPPED)
def test_flat_pictures_get_no_checkerboard(task: str, size: tuple[int, int]) -> None:
    for level in LEVELS:
        restored = restored_flat(task, size, level)
        for rows, columns in ((True, True), (True, False), (False, True)):
            assert alternating(restored, rows, columns).max() < 0.25 * LEVEL


def periodic(picture: np.ndarray, period: int) -> float:
    """The largest excess of one of ``period`` rows or columns over the others, on average."""
    inner = picture[period:-period, period:-period].mean(axis=2)
    worst = 0.0
    for profile in (inner.mean(axis=0), inner.mean(axis=1)):
        whole = profile[: len(profile) // period * period]
        kernel = np.ones(period) / period
        smooth = np.convolve(np.pad(whole, period, mode="edge"), kernel, mode="same")
        detail = (whole - smooth[period:-period])[period:-period]
        phases = detail[: len(detail) // period * period].reshape(-1, period).mean(axis=0)
        worst = max(worst, float(np.ptp(phases)))
    return worst


@pytest.mark.parametrize("task", SHIPPED)
def test_no_grid_shows_on_flat_and_smooth_pictures(task: str) -> None:
    pictures = [restored_flat(task, SIZES[-1], level) for level in LEVELS]
    pictures += [restored_ramp(task, SIZES[-1], across) for across in (True, False)]
    for restored in pictures:
        assert periodic(restored, 8) < LEVEL
        assert periodic(restored, 16) < LEVEL


def test_a_grid_would_be_seen() -> None:
    picture = flat(321, 481, 0.5)
    picture[:, ::16] += 2 * LEVEL
    assert periodic(picture, 16) > LEVEL
    board = flat(64, 64, 0.5)
    board[::2, ::2] += LEVEL
    board[1::2, 1::2] += LEVEL
    assert alternating(board, True, True).max() > 0.25 * LEVEL


EDGES = ((64, 128, 61), (200, 300, 150))
"""Height, width, and the column of a vertical edge."""
TILED_EDGE = (321, 481, 203)


def overshoot(picture: np.ndarray, edge: int) -> float:
    """How far beyond its plateaus a picture goes more than 2 px from a vertical edge, as a fraction
    of the step between them."""
    profile = np.median(picture.mean(axis=2), axis=0)
    near = 24
    left, right = profile[edge - near : edge - 2], profile[edge + 2 : edge + near]
    low, high = (
        np.median(profile[edge - 40 : edge - near]),
        np.median(profile[edge + near : edge + 40]),
    )
    return float(max(low - left.min(), right.max() - high) / (high - low))


@pytest.mark.parametrize(
    ("low", "high", "edges"),
    [(0.25, 0.75, (*EDGES, TILED_EDGE)), (0.1, 0.4, EDGES), (0.6, 0.9, EDGES)],
    ids=["in the middle", "dark", "bright"],
)
@pytest.mark.parametrize("task", SHIPPED)
def test_a_step_edge_gets_no_halo(
    task: str, low: float, high: float, edges: tuple[tuple[int, int, int], ...]
) -> None:
    for height, width, edge in edges:
        picture = flat(height, width, low)
        picture[:, edge:] = high
        assert overshoot(cutting(task)(picture), edge) <= 0.1


def test_a_halo_would_be_seen() -> None:
    picture = flat(64, 128, 0.25)
    picture[:, 61:] = 0.75
    assert overshoot(picture, 61) == 0
    picture[:, 64:67] += 0.06
    assert overshoot(picture, 61) > 0.1


@pytest.mark.parametrize("task", SHIPPED)
def test_a_large_picture_is_whole_and_without_seams(task: str) -> None:
    """1010 x 500: three tiles by two, or a scene seen reduced."""
    picture = grey(ramp(*LARGE))
    assert all(cutting(task).borders(picture)) == sees_tiles(task)
    restored = cutting(task)(picture)
    assert restored.shape == picture.shape
    assert np.ptp(restored, axis=2).max() == 0
    assert periodic(restored, 8) < LEVEL
    assert periodic(restored, 16) < LEVEL
    # All rows of this ramp are the same, and its columns rise evenly: a seam would be a step.
    across, down = restored[..., 0].mean(axis=0), restored[..., 0].mean(axis=1)
    assert np.abs(np.diff(down)).max() < LEVEL
    assert np.abs(np.diff(across)).max() < 1.5 * LEVEL


KEEPS_LIGHT = ["denoise", "deblur", "derain"]
"""Heads that are not asked to change light."""


@pytest.mark.parametrize("size", [(147, 201), (512, 384)], ids=str)
@pytest.mark.parametrize("task", KEEPS_LIGHT)
def test_white_paper_stays_white(task: str, size: tuple[int, int]) -> None:
    """derain-small turned it to 249 to 252."""
    paper = np.full((*size, 3), 255, np.uint8)
    assert head(task)(paper).min() >= 253


@pytest.mark.parametrize("name", ["denoise-s1", "deblur-s1", "derain-s1"])
def test_what_is_drawn_stays(name: str) -> None:
    """A line one pixel wide between saturated colours became a ramp of 16 pixels."""
    model = Restorer(name.partition("-")[0], name, device="cpu")
    for picture in (page(12), page(24), bordered()):
        restored = model(picture)
        assert np.abs(restored.astype(int) - picture).max() <= 2
