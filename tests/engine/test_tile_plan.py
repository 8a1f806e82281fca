"""One plan an image: what it says of tiles, windows and padding is what happens."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from models import save_model

from restore import Restorer
from restore.checkpoints.card import TilePolicy
from restore.engine.tile_options import ALL, windowed
from restore.engine.tile_plan import count_windows, plan_image, reduced_size, window_borders
from restore.engine.tiling import plan_axes, plan_axis

SIDES = st.integers(1, 3000)
POLICIES = st.builds(
    TilePolicy,
    size=st.integers(1, 1024),
    overlap=st.integers(0, 128),
    whole_up_to=st.sampled_from([0, 512 * 512, 2**62]),
    reduce_to=st.sampled_from([0, 16, 400]),
    window=st.sampled_from([0, 64, 200]),
)


@given(
    length=st.integers(1, 4000),
    multiple=st.sampled_from([2, 16, 64]),
    side=st.sampled_from([0, 64, 128, 256]),
)
def test_windows_are_about_as_large_as_asked_and_add_least(
    length: int, multiple: int, side: int
) -> None:
    count = count_windows(length, multiple, side)
    if not side or length <= side:
        assert count == 1
        return
    assert 2 * side <= 3 * length / count <= 4.5 * side or count == 1
    if count == 1:
        assert length < 1.5 * side
    for other in range(1, 100):
        if 2 / 3 * side <= length / other <= 1.5 * side:
            assert -length % (count * multiple) <= -length % (other * multiple)


@given(length=st.integers(1, 3000), tile=st.sampled_from([256, 1024]))
def test_borders_of_windows_lie_within_the_picture_and_apart(length: int, tile: int) -> None:
    axis = plan_axis(length, tile, 64, 64)
    borders = list(window_borders(axis, 64, 128))
    assert all(0 < border < length for border in borders)
    assert len(borders) == len(axis.starts) * (count_windows(axis.size, 64, 128) - 1)


@settings(deadline=None)
@given(SIDES, SIDES, POLICIES)
def test_tiles_are_padded_to_windows_the_network_takes(
    height: int, width: int, policy: TilePolicy
) -> None:
    plan = plan_image((height, width, 3), policy, (16, 32))
    for tile, sides in (
        (plan.tile, (plan.rows.size, plan.columns.size)),
        (plan.turned_tile, (plan.columns.size, plan.rows.size)),
    ):
        pixels = np.zeros((1, *sides, 1), np.uint8)
        padded = tile.padding.apply(pixels)
        assert padded.shape[1:3] == tile.size
        assert tile.padding.crop(padded).shape == pixels.shape
        for side, count, multiple in zip(tile.size, tile.windows, (16, 32), strict=True):
            assert side % (count * multiple) == 0
    assert plan.tiles == len(plan.rows.starts) * len(plan.columns.starts)
    assert plan.pixels == plan.tile.size[0] * plan.tile.size[1] * plan.tiles


@settings(deadline=None)
@given(SIDES, SIDES, POLICIES, st.integers(16, 1024))
def test_smaller_tiles_cut_the_same_image(
    height: int, width: int, policy: TilePolicy, side: int
) -> None:
    plan = replace(plan_image((height, width), policy, (16, 16), ALL), at_once=3)
    smaller = plan.with_tiles_of(side)
    assert smaller.shown == plan.shown == reduced_size((height, width), policy.reduce_to or 2**62)
    assert (smaller.rows, smaller.columns) == plan_axes(plan.shown, smaller.policy, (16, 16))
    assert smaller.policy == replace(policy, size=side, whole_up_to=0)
    assert (smaller.hold, smaller.at_once) == (ALL, 3)


def test_borders_are_those_of_tiles_and_windows() -> None:
    plan = plan_image((300, 300), TilePolicy(128, 16, 0, window=64), (32, 32))
    rows, columns = plan.borders()
    assert rows == columns
    assert set(rows) == {*plan.rows.borders(), *window_borders(plan.rows, 32, 64)}
    assert len(rows) > len(plan.rows.borders())
    assert plan_image((300, 300), TilePolicy(128, 16, 0, reduce_to=64), (32, 32)).borders() == (
        (),
        (),
    )


def test_a_plan_is_not_changed() -> None:
    plan = plan_image((300, 300), windowed(64), (32, 32))
    with pytest.raises(FrozenInstanceError):
        plan.at_once = 2  # type: ignore[misc]


@pytest.mark.parametrize(
    "policy",
    [
        TilePolicy(64, 16, 0),
        TilePolicy(96, 16, 0, window=40),
        TilePolicy(64, 16, 0, reduce_to=70),
        windowed(64),
    ],
    ids=str,
)
@pytest.mark.parametrize("ensemble", [False, True])
def test_the_network_and_the_progress_follow_the_plan(
    policy: TilePolicy, ensemble: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    restorer = Restorer(
        "denoise", save_model(tmp_path), device="cpu", tile=policy, ensemble=ensemble
    )
    asked: list[tuple[tuple[int, int], Any]] = []

    def listen(tiles: np.ndarray, windows: tuple[int, int], *rest: Any) -> np.ndarray:
        asked.append((tiles.shape[1:3], windows))
        return tiles.copy()

    monkeypatch.setattr(restorer, "_forward", listen)
    told: list[tuple[float, int]] = []
    shape = (110, 200)
    restorer(np.full(shape, 90, np.uint8), lambda *now: told.append(now))
    plan = plan_image(shape, policy, restorer.card.network.size_multiple)
    views = 8 if ensemble else 1
    total = views * plan.tiles
    if policy.reduce_to:  # carrying the change over to all pixels has a share too
        assert told == sorted(told)
        assert told[-1] == (total, total)
    else:
        assert told == [(i + 1, total) for i in range(total)]
    upright, turned = ((t.size, t.windows) for t in (plan.tile, plan.turned_tile))
    assert asked == ([upright] if not ensemble else [upright, turned] * 4) * plan.tiles
