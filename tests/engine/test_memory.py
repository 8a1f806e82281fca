"""Tiles that fit the memory, before a picture is restored and where it has run out."""

from __future__ import annotations

import copy
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from models import save_model

from restore import Restorer
from restore.benchmark import footprint
from restore.checkpoints.card import Card, TilePolicy
from restore.engine import budget
from restore.engine.memory import ASIDE, WITHOUT_STRIPS, Memory
from restore.engine.precision import Compute
from restore.engine.tile_options import ALL, LEAST, SOME, TileOptions, uncut, windowed
from restore.engine.tile_plan import TilePlan, plan_image
from restore.engine.tiling import plan_axes
from restore.errors import RestoreError, UsageError
from restore.networks.maxim import VARIANTS, MaximConfig

GIB = 1 << 30
NETWORK = VARIANTS["S-2"]
MULTIPLES = NETWORK.size_multiple
CARDS = windowed(256)
"""The policy of the shipped models that judge what is near."""
UNCUT = uncut(Card("", "denoise", NETWORK, ""))
ON_GPU = {"compute": Compute(torch.device("cuda"), "float32")}
NO_WARNING: list[str] = []


def memory(
    most: int | None = None,
    workers: int = 1,
    a_pixel: float = 471.0,
    network: MaximConfig = NETWORK,
    **backend: Any,
) -> Memory:
    card = Card("", "denoise", network, "", memory={"cpu": {"float32": a_pixel}})
    compute = Compute(torch.device("cpu"), "float32")
    fake: Any = SimpleNamespace(**{"compute": compute, "by_strips": True} | backend)
    return Memory(card, fake, most, workers)


def fitted(scarce: Memory, policy: TilePolicy, image: np.ndarray) -> TilePolicy:
    """The tiles of an image whose result takes as much as itself."""
    return scarce.plan(TileOptions(policy, is_fitted=True), [image], [image]).policy


def attempt(
    policy: TilePolicy, hold: str, shape: tuple[int, ...], multiples: tuple[int, int] = MULTIPLES
) -> TilePlan:
    return plan_image(shape, policy, multiples, hold)


def at_once(scarce: Memory, policy: TilePolicy, *shape: int) -> int:
    image = blank(*shape)
    return scarce.plan(TileOptions(policy), [image], [image]).at_once


def blank(height: int, width: int) -> np.ndarray:
    """A picture of any size that takes no memory, but says that it does."""
    return np.broadcast_to(np.uint8(90), (height, width, 3))


def taken(shape: tuple[int, int], policy: TilePolicy, a_pixel: float) -> float:
    """Least bytes of a picture, its result, a tile and its row of tiles."""
    rows, columns = plan_axes(shape, policy, MULTIPLES)
    pictures = 2 * 3 * shape[0] * shape[1]
    if len(rows.starts) == len(columns.starts) == 1:
        return pictures + shape[0] * shape[1] * a_pixel
    return pictures + rows.size * columns.size * a_pixel + 12 * rows.size * shape[1]


@settings(deadline=None)
@given(
    shape=st.tuples(st.integers(500, 30_000), st.integers(500, 30_000)),
    most=st.integers(1 << 24, 1 << 33),
    a_pixel=st.floats(100, 5000),
    window=st.sampled_from([0, 128, 256]),
)
def test_tiles_fit_and_hardly_larger_ones_would(
    shape: tuple[int, int], most: int, a_pixel: float, window: int
) -> None:
    image, policy = blank(*shape), windowed(window)
    tiles = fitted(memory(most, a_pixel=a_pixel), policy, image)
    most -= min(ASIDE, most * 2 / 3)
    assert tiles.size <= policy.size
    assert tiles.overlap == policy.overlap
    if tiles.size > budget.SMALLEST:
        assert taken(shape, tiles, a_pixel) <= most
    if tiles == policy:
        return
    # Padding to windows and the overlap of bands are no more than these shares.
    larger = TilePolicy(tiles.size * 5 // 3 + MULTIPLES[0], policy.overlap, 0)
    rows, columns = plan_axes(shape, larger, MULTIPLES)
    if larger.size <= policy.size:
        more = rows.size * columns.size * a_pixel * 1.8 + 2 * 12 * rows.size * shape[1]
        assert 2 * image.nbytes + more > most


def test_a_wide_picture_keeps_large_tiles() -> None:
    image = blank(1250, 20_000)
    tiles = fitted(memory(GIB), CARDS, image)
    assert tiles.size > 700
    rows, columns = plan_axes(image.shape[:2], tiles, MULTIPLES)
    computed = rows.size * columns.size * len(rows.starts) * len(columns.starts)
    assert computed < 1.3 * 1250 * 20_000
    # Of a lower one, the rows that there are.
    low = blank(300, 20_000)
    assert fitted(memory(GIB // 2), CARDS, low).size > 1000


def test_pictures_that_fit_are_not_cut(caplog: pytest.LogCaptureFixture) -> None:
    image = blank(1024, 1024)
    assert fitted(memory(GIB), CARDS, image) is CARDS
    assert fitted(memory(GIB, a_pixel=1500.0), CARDS, image).size < 1024
    small = blank(50, 60)
    fitted(memory(1), CARDS, small)
    assert caplog.messages == NO_WARNING


def test_windows_of_a_tile_count_as_they_are_padded() -> None:
    """832 pixels are three windows of 320: a tile of them takes as much as one of 960."""
    image = blank(832, 832)
    most = 2 * image.nbytes + 832 * 832 * 471 * 11 // 10 + ASIDE
    assert fitted(memory(most), windowed(0), image).whole_up_to
    assert not fitted(memory(most), CARDS, image).whole_up_to


def test_workers_share_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    image = blank(4000, 4000)
    alone = fitted(memory(GIB), CARDS, image)
    assert fitted(memory(4 * GIB, 4), CARDS, image) == alone
    assert fitted(memory(GIB, 4), CARDS, image).size < alone.size // 1.8
    monkeypatch.setattr(budget, "share_of_free", lambda device: GIB)
    alone = fitted(memory(None), CARDS, image)
    assert fitted(memory(None, 4), CARDS, image).size < alone.size // 1.8


def test_who_calls_from_several_threads_says_so(tmp_path: Path) -> None:
    path = save_model(tmp_path, tile=CARDS, memory={"cpu": {"float32": 471.0}})
    image = blank(3000, 3000)
    loaded = (
        Restorer("denoise", path, device="cpu", max_memory=GIB, workers=workers)
        for workers in (1, 4)
    )
    one, four = (
        restorer._memory.plan(restorer._options, [image], [image]).policy for restorer in loaded
    )
    assert four.size < one.size
    for bad in (0, -1, 1.5, "2"):
        with pytest.raises(UsageError, match=r"workers is .*; it is a number of threads"):
            Restorer("denoise", path, workers=bad)  # type: ignore[arg-type]


def test_a_backend_without_strips_gets_smaller_tiles() -> None:
    image = blank(4000, 4000)
    strips = fitted(memory(GIB, a_pixel=471 * WITHOUT_STRIPS), CARDS, image)
    assert fitted(memory(GIB, by_strips=False), CARDS, image) == strips
    assert strips.size < fitted(memory(GIB), CARDS, image).size


def test_a_user_learns_of_tiles_that_are_far_too_small(caplog: pytest.LogCaptureFixture) -> None:
    image = blank(3000, 3000)
    scarce = memory(2 * image.nbytes + (20 << 20) + ASIDE)
    for _ in range(2):
        fitted(scarce, CARDS, image)
    (said,) = caplog.messages
    assert said.startswith("memory allows tiles of 128 pixels a side, the model's are 1536: they ")
    caplog.clear()
    fitted(memory(GIB // 2), CARDS, image)
    tiny_tiles = TilePolicy(96, 8, 0)
    fitted(memory(GIB), tiny_tiles, image)  # as the model has them
    assert caplog.messages == NO_WARNING


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"tile": "off"}, "tile 'off' leaves nothing to choose; use tile auto"),
        ({"tile": 96}, "tile 96 leaves nothing to choose; use tile auto"),
        (
            {},
            "the card of {model} has no measured memory in float32; to measure it: "
            "restore weights measure denoise {model}",
        ),
    ],
    ids=str,
)
def test_a_limit_that_is_not_kept_is_not_kept_in_silence(
    options: dict[str, Any], why: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = save_model(tmp_path)
    restore = Restorer("denoise", path, device="cpu", max_memory="1GiB", **options)
    restore(np.zeros((32, 32), np.uint8))
    assert caplog.messages == ["the memory limit is ignored: " + why.format(model=path)]
    caplog.clear()
    Restorer("denoise", path, device="cpu", **options)
    measured = save_model(tmp_path, name="known", memory={"cpu": {"float32": 9.0}})
    Restorer("denoise", measured, device="cpu", max_memory="1GiB")
    assert caplog.messages == NO_WARNING


@pytest.mark.parametrize("most", [0, -1, "0", True])
def test_a_limit_is_an_amount(most: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"max_memory is .*; use a size such as 4GiB"):
        Restorer("denoise", save_model(tmp_path), max_memory=most)


def test_out_of_memory_the_whole_is_tried_in_parts_before_tiles(
    caplog: pytest.LogCaptureFixture,
) -> None:
    scarce = memory()
    plan = scarce.lighter(attempt(UNCUT, ALL, (600, 900)))
    assert plan == attempt(UNCUT, LEAST, (600, 900))
    sides = (450, 192, 96)
    for side in sides:
        plan = scarce.lighter(plan)
        assert plan == attempt(replace(UNCUT, size=side, whole_up_to=0), LEAST, (600, 900))
    with pytest.raises(RestoreError, match="not enough memory for tiles of 64 pixels a side"):
        scarce.lighter(plan)
    assert caplog.messages == [
        "not enough memory; going on as with tile exact",
        *(f"not enough memory; going on with tiles of {side} pixels a side" for side in sides),
    ]


def test_out_of_memory_tiles_go_one_at_a_time_for_good_before_they_are_halved(
    caplog: pytest.LogCaptureFixture,
) -> None:
    scarce, tiles, shape = memory(**ON_GPU), TilePolicy(128, 16, 0), (600, 900, 3)
    assert at_once(memory(), tiles, 600, 900) == 1
    assert at_once(scarce, tiles, 600, 900) == 8
    several = replace(attempt(tiles, SOME, shape), at_once=8)
    for _ in range(2):  # as of two threads that had begun
        plan = scarce.lighter(several)
        assert plan == attempt(tiles, SOME, shape)
    assert at_once(scarce, TilePolicy(64, 16, 0), 300, 300) == 1
    assert caplog.messages == ["not enough memory; going on with one tile at a time"]
    halved = scarce.lighter(plan)
    assert (halved.policy.size, halved.at_once) == (64, 1)
    copied = copy.deepcopy(scarce)
    assert at_once(copied, tiles, 600, 900) == 1
    assert at_once(memory(**ON_GPU), tiles, 600, 900) == 8


def test_no_tile_is_smaller_than_the_network_takes() -> None:
    network = replace(NETWORK, block_size_lr=(16, 16))
    assert network.size_multiple == (128, 128)
    plan = attempt(TilePolicy(64, 0, 0), SOME, (500, 500), network.size_multiple)
    with pytest.raises(RestoreError, match="not enough memory for tiles of 128 pixels"):
        memory(network=network).lighter(plan)


def test_of_a_reduced_picture_what_the_network_sees_is_halved() -> None:
    policy = TilePolicy(size=384, overlap=64, whole_up_to=384 * 384, reduce_to=128)
    plan = attempt(policy, SOME, (3000, 4000, 3))
    assert plan.shown == (128, 171)
    halved = memory().lighter(plan)
    assert halved.policy == replace(policy, size=85, whole_up_to=0)
    assert halved.shown == plan.shown
    assert attempt(CARDS, SOME, (3000, 4000, 3)).shown == (3000, 4000)


@pytest.fixture
def scarce(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Memory for 160 x 160 pixels; the sizes of what has been tried."""
    sizes: list[tuple[int, int]] = []
    forward = Restorer._forward

    def short(self: Restorer, tiles: np.ndarray, *way: Any) -> np.ndarray:
        sizes.append((tiles.shape[1], tiles.shape[2]))
        if tiles[0, ..., 0].size > 160 * 160:
            raise budget.NotEnoughMemoryError("not enough memory")
        return forward(self, tiles, *way)

    monkeypatch.setattr(Restorer, "_forward", short)
    return sizes


@pytest.mark.parametrize("tile", ["off", "exact"])
@pytest.mark.parametrize("overlap", [None, 24])
def test_tiles_that_nobody_asked_for_have_no_hard_seams(
    tile: str, overlap: int | None, tmp_path: Path, scarce: list[tuple[int, int]]
) -> None:
    card = TilePolicy(size=512, overlap=40, whole_up_to=512 * 512)
    path = save_model(tmp_path, tile=card)
    image = np.random.default_rng(0).integers(0, 256, (160, 320, 3), np.uint8)
    chosen: dict[str, Any] = {"device": "cpu", "overlap": overlap}
    result = Restorer("denoise", path, tile=tile, **chosen)(image)
    assert scarce[: 2 if tile == "off" else 1] == [(160, 320)] * (2 if tile == "off" else 1)
    np.testing.assert_array_equal(result, Restorer("denoise", path, tile=160, **chosen)(image))
    assert len(set(scarce)) == 2


def test_a_scene_that_does_not_fit_is_cut_as_the_network_sees_it(
    tmp_path: Path, scarce: list[tuple[int, int]]
) -> None:
    policy = TilePolicy(size=512, overlap=16, whole_up_to=512 * 512, reduce_to=192)
    restore = Restorer("denoise", save_model(tmp_path, tile=policy), device="cpu")
    restore(np.random.default_rng(0).integers(0, 256, (800, 1000, 3), np.uint8))
    assert scarce[0] == (192, 256)
    assert max(max(size) for size in scarce[1:]) <= 128


def test_what_a_model_takes_is_measured_as_it_will_be_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the windows of the card or none, of all pixels, whatever memory there is."""
    monkeypatch.setattr(budget, "share_of_free", lambda device: 1)
    plain = TilePolicy(size=96, overlap=8, whole_up_to=96 * 96, reduce_to=64)
    for tile in (plain, TilePolicy(size=96, overlap=8, whole_up_to=96 * 96, window=64)):
        path = save_model(tmp_path, tile=tile, memory={"cpu": {"float32": 1000.0}})
        ways: list[Any] = []

        def listen(self: Restorer, tiles: np.ndarray, *way: Any, to: Any = ways) -> np.ndarray:
            to.append((tiles.shape, *way[:2]))  # without the listener to progress
            return tiles

        monkeypatch.setattr(Restorer, "_forward", listen)
        monkeypatch.setattr(sys, "argv", ["-c", "denoise", str(path), "float32"])
        exec(footprint._RUN, {})
        assert ways == [((1, 1024, 1024, 3), (16, 16) if tile.window else (1, 1), SOME)]
        assert int(capsys.readouterr().out) >= 0


@pytest.mark.parametrize("strength", [1.0, 0.5])
def test_one_row_of_tiles_is_held_and_no_more(
    strength: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save_model(tmp_path)
    restore = Restorer("denoise", path, device="cpu", tile=192, overlap=16, strength=strength)
    monkeypatch.setattr(restore, "_forward", lambda tiles, *way: tiles.copy())
    image = np.random.default_rng(0).integers(0, 256, (700, 4000, 3), np.uint8)
    tracemalloc.start()
    restore(image)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    band = 12 * (192 + 48) * 4000
    work = 8 * 12 * 192 * 192 + 256 * 4000 * 3
    assert peak < image.nbytes + band + work
