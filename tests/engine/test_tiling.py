from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from restore.engine.tiling import Axis, Place, plan_axis, run_tiled


@st.composite
def requests(draw: st.DrawFn) -> tuple[int, int, int, int]:
    """Arguments of `plan_axis`, as it demands them."""
    multiple = draw(st.integers(1, 8))
    tile, overlap = draw(st.integers(1, 64)), draw(st.integers(0, 64))
    length = draw(st.integers(1, 15 * limit(tile, multiple)))
    if length <= limit(tile, multiple):
        length = -(-length // multiple) * multiple
    return length, tile, overlap, multiple


def limit(tile: int, multiple: int) -> int:
    """The largest tile allowed: the request, made to obey the size rule."""
    return max(multiple, tile // multiple * multiple)


def tiled(
    image: np.ndarray,
    rows: Axis,
    columns: Axis,
    run: Callable[[np.ndarray], np.ndarray],
    at_once: int = 1,
) -> np.ndarray:
    """The bands of `run_tiled`, put together."""
    bands = list(run_tiled(rows, columns, lambda group: [run(image[p]) for p in group], at_once))
    places = [row for place, _ in bands for row in range(place.start, place.stop)]
    assert places == list(range(rows.length))
    return np.concatenate([band for _, band in bands])


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).random((height, width, 3), dtype=np.float32)


@settings(deadline=None)
@given(requests())
def test_tiles_cover_the_axis_and_obey_the_size_rule(request: tuple[int, int, int, int]) -> None:
    length, tile, _, multiple = request
    axis = plan_axis(*request)
    assert axis.length == length
    assert axis.size % multiple == 0
    assert axis.size <= limit(tile, multiple)
    assert axis.starts[0] == 0
    assert axis.starts[-1] + axis.size == length
    assert list(axis.starts) == sorted(set(axis.starts))


@settings(deadline=None)
@given(requests())
def test_neighbours_share_at_least_the_overlap(request: tuple[int, int, int, int]) -> None:
    _, tile, overlap, multiple = request
    axis = plan_axis(*request)
    # More than half of a tile in common would only cost time.
    least = min(overlap, limit(tile, multiple) // 2)
    assert all(b - a <= axis.size - least for a, b in pairwise(axis.starts))


@settings(deadline=None)
@given(requests())
def test_tiles_are_few_and_small(request: tuple[int, int, int, int]) -> None:
    length, tile, overlap, multiple = request
    axis = plan_axis(*request)
    count = len(axis.starts)
    assume(count > 1)
    overlap = min(overlap, limit(tile, multiple) // 2)

    def covered(tiles: int, size: int) -> int:
        return tiles * size - (tiles - 1) * overlap

    assert covered(count - 1, limit(tile, multiple)) < length
    assert covered(count, axis.size - multiple) < length


@settings(deadline=None)
@given(requests())
def test_weights_sum_to_one(request: tuple[int, int, int, int]) -> None:
    axis = plan_axis(*request)
    total = np.zeros(axis.length)
    for start, weights in zip(axis.starts, axis.weights(), strict=True):
        assert (weights > 0).all()
        total[start : start + axis.size] += weights
    np.testing.assert_allclose(total, 1, atol=1e-6)


def test_tiles_fade_into_each_other_without_a_step() -> None:
    rows, columns = plan_axis(8, 8, 0, 8), plan_axis(112, 64, 16, 8)
    assert columns.starts == (0, 48)
    results = iter([0, 1])
    out = tiled(noise(8, 112), rows, columns, lambda tile: np.full_like(tile, next(results)))
    line = out[0, :, 0]
    steps = np.diff(line)
    assert (line[:48] == 0).all()
    assert (line[64:] == 1).all()
    assert (steps >= 0).all()
    assert steps.max() < np.pi / 2 / 16  # the slope of a raised cosine over 16 pixels
    assert steps[47] < 0.01  # which begins and ends flat
    assert steps[63] < 0.01


@settings(deadline=None)
@given(requests(), requests(), st.integers(1, 9))
def test_blending_reproduces_what_every_tile_agrees_on(
    vertical: tuple[int, int, int, int], horizontal: tuple[int, int, int, int], at_once: int
) -> None:
    rows, columns = plan_axis(*vertical), plan_axis(*horizontal)
    assume(len(rows.starts) * len(columns.starts) < 50)
    image = noise(rows.length, columns.length)
    before = image.copy()
    out = tiled(image, rows, columns, lambda tile: 1 - 2 * tile, at_once)
    assert out.dtype == np.float32
    np.testing.assert_allclose(out, 1 - 2 * image, atol=1e-6)
    np.testing.assert_array_equal(image, before)


def test_every_tile_has_the_same_shape() -> None:
    rows, columns = plan_axis(50, 24, 6, 4), plan_axis(70, 24, 6, 4)
    shapes: list[tuple[int, ...]] = []

    def run(tile: np.ndarray) -> np.ndarray:
        shapes.append(tile.shape)
        return tile

    tiled(noise(50, 70), rows, columns, run)
    assert set(shapes) == {(rows.size, columns.size, 3)}
    assert len(shapes) == len(rows.starts) * len(columns.starts)


def test_rows_come_as_soon_as_they_are_done() -> None:
    rows, columns = plan_axis(100, 32, 8, 4), plan_axis(70, 32, 8, 4)
    tops: list[int] = []

    def run(places: Sequence[Place]) -> list[np.ndarray]:
        tops.extend(down.start for down, _ in places)
        return [np.ones((2, rows.size, columns.size, 3), np.float32) for _ in places]

    for place, band in run_tiled(rows, columns, run):
        assert max(tops) == place.start  # no tile of the next row has been looked at
        assert band.shape == (2, place.stop - place.start, 70, 3)
        np.testing.assert_allclose(band, 1, atol=1e-6)


@pytest.mark.parametrize(
    ("at_once", "sizes"), [(1, [1] * 5), (2, [2, 2, 1]), (3, [3, 2]), (5, [5]), (9, [5])]
)
def test_groups_are_neighbours_in_one_row(at_once: int, sizes: list[int]) -> None:
    rows, columns = plan_axis(70, 32, 8, 4), plan_axis(110, 32, 8, 4)
    assert (len(rows.starts), len(columns.starts)) == (3, 5)
    groups: list[list[tuple[int, int]]] = []

    def run(places: Sequence[Place]) -> list[np.ndarray]:
        groups.append([(down.start, across.start) for down, across in places])
        return [np.ones((rows.size, columns.size, 3), np.float32) for _ in places]

    for _ in run_tiled(rows, columns, run, at_once):
        pass
    assert [len(group) for group in groups] == sizes * 3
    assert all(len({top for top, _ in group}) == 1 for group in groups)
    everywhere = [(top, left) for top in rows.starts for left in columns.starts]
    assert [place for group in groups for place in group] == everywhere


@pytest.mark.parametrize("at_once", [2, 3])
def test_groups_blend_to_the_same_bytes(at_once: int) -> None:
    rows, columns = plan_axis(70, 32, 8, 4), plan_axis(110, 32, 8, 4)
    image, random = noise(70, 110), np.random.default_rng(1)
    tints = random.random((len(rows.starts) * len(columns.starts), 3), dtype=np.float32)

    def blended(at_once: int) -> np.ndarray:
        unlike = iter(tints)  # tiles that disagree
        return tiled(image, rows, columns, lambda tile: tile * next(unlike), at_once)

    np.testing.assert_array_equal(blended(at_once), blended(1))


@pytest.mark.parametrize("failing", [1, 3])
def test_an_error_in_a_tile_reaches_the_caller(failing: int) -> None:
    axis = plan_axis(60, 32, 4, 4)
    calls = 0

    def run(tile: np.ndarray) -> np.ndarray:
        nonlocal calls
        calls += 1
        if calls == failing:
            raise MemoryError("tile")
        return tile

    with pytest.raises(MemoryError, match="tile"):
        tiled(noise(60, 60), axis, axis, run)
    assert calls == failing
