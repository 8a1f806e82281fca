"""Small tiles and frames go through a GPU several at once, which changes nothing but rounding."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from hypothesis import given
from hypothesis import strategies as st
from models import save_model

from restore import Restorer
from restore.checkpoints.card import TilePolicy
from restore.engine.batches import FILLS_A_GPU, MOST_AT_ONCE, batch_size, tiles_at_once
from restore.engine.budget import NotEnoughMemoryError
from restore.engine.memory import Memory
from restore.engine.precision import Compute
from restore.errors import RestoreError
from restore.media import large

CPU, GPU = torch.device("cpu"), torch.device("cuda")
TILES = TilePolicy(size=64, overlap=16, whole_up_to=64 * 64)
SIZE = (100, 440)  # 2 rows of 9 tiles


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many tiles a network is given, each time."""
    found: list[int] = []
    forward = Restorer._forward  # the network itself is run when it is loaded as well

    def spy(self: Restorer, tiles: np.ndarray, *way: Any) -> np.ndarray:
        found.append(len(tiles))
        return forward(self, tiles, *way)

    monkeypatch.setattr(Restorer, "_forward", spy)
    return found


def load(model: Path, **options: Any) -> Restorer:
    return Restorer("denoise", model, device="cpu", **{"tile": TILES} | options)


def as_on_a_gpu(model: Path, **options: Any) -> Restorer:
    """Takes as many tiles at once as on a GPU, and computes on the CPU."""
    restore = load(model, **options)
    backend: Any = SimpleNamespace(compute=Compute(GPU, "float32"), by_strips=True)
    restore._memory = Memory(restore.card, backend, restore.max_memory, 1)
    return restore


def picture(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(shape, dtype=np.float32)


def test_only_a_gpu_takes_several_and_only_of_small_pictures() -> None:
    assert batch_size(CPU, (64, 64)) == 1
    assert batch_size(GPU, (64, 64)) == MOST_AT_ONCE
    assert batch_size(GPU, (256, 256)) == FILLS_A_GPU // 256**2 > 1
    assert batch_size(GPU, (200, 200)) == 4
    assert batch_size(GPU, (1080, 1920)) == 1


@given(st.tuples(st.integers(32, 900), st.integers(32, 900)), st.integers(1, 99), st.integers(1, 9))
def test_a_row_goes_in_the_fewest_groups(size: tuple[int, int], row: int, pictures: int) -> None:
    assert tiles_at_once(CPU, size, row, pictures) == 1
    together = batch_size(GPU, size)
    at_once = tiles_at_once(GPU, size, row, pictures)
    assert 1 <= at_once <= row
    assert at_once == 1 or at_once * pictures <= together
    groups = -(-row // at_once)
    assert groups == -(-row // max(1, together // pictures))
    assert (at_once - 1) * groups < row  # smaller groups would be more


@pytest.mark.parametrize(
    ("options", "groups"),
    [
        ({}, [5, 4] * 2),
        ({"ensemble": True}, [*[5] * 8, *[4] * 8] * 2),
        ({"strength": 0.5, "tile": 96, "overlap": 40}, [8] * 2),
        ({"tile": TilePolicy(128, 16, 128 * 128, window=64)}, [4]),
        ({"tile": TilePolicy(64, 16, 64 * 64, reduce_to=64)}, [6]),
        ({"tile": "off"}, [1]),
    ],
    ids=str,
)
def test_tiles_that_go_together_are_what_they_are_alone(
    tiny: Path, counts: list[int], options: dict[str, Any], groups: list[int]
) -> None:
    image = picture(*SIZE, 3)
    told: dict[str, list[tuple[int, int]]] = {"alone": [], "together": []}
    alone = load(tiny, **options)(image, lambda *now: told["alone"].append(now))
    assert counts == [1] * sum(groups)
    counts.clear()
    restore = as_on_a_gpu(tiny, **options)
    together = restore(image, lambda *now: told["together"].append(now))
    assert counts == groups
    assert told["together"] == told["alone"]
    np.testing.assert_allclose(together, alone, rtol=0, atol=5e-6)
    assert np.abs(together - image).max() > 0.05
    counts.clear()
    np.testing.assert_array_equal(restore(image), together)
    assert counts == groups


@pytest.mark.parametrize(("frames", "groups"), [(2, [6] * 3), (3, [6] * 4 + [3]), (9, [9] * 9)])
def test_the_tiles_of_several_frames_count(
    tiny: Path, counts: list[int], frames: int, groups: list[int]
) -> None:
    clip = [picture(*SIZE, 3, seed=seed) for seed in range(frames)]
    results = list(as_on_a_gpu(tiny).frames(clip, batch=frames))
    assert counts == groups * 2
    alone = load(tiny)
    for frame, result in zip(clip, results, strict=True):
        np.testing.assert_allclose(result, alone(frame), rtol=0, atol=5e-6)


@pytest.mark.parametrize("shape", [SIZE, (*SIZE, 3)], ids=["grey", "colour"])
def test_pictures_read_by_rows_go_in_the_same_groups(
    tiny: Path, tmp_path: Path, counts: list[int], shape: tuple[int, ...]
) -> None:
    image = (255 * picture(*shape)).astype(np.uint8)
    kind = "rgb" if len(shape) == 3 else "minisblack"
    tifffile.imwrite(tmp_path / "in.tif", image, photometric=kind, compression="zlib")
    source = large.read(tmp_path / "in.tif", above=100)
    assert source is not None
    restore, result = as_on_a_gpu(tiny), np.empty_like(image)
    restore.by_rows(source.pixels, result)
    assert counts == [5, 4] * 2
    np.testing.assert_array_equal(result, restore(image))


ALONE = "not enough memory; going on with one tile at a time"
HALVED = "not enough memory; going on with tiles of 64 pixels a side"


@pytest.fixture
def holds(monkeypatch: pytest.MonkeyPatch) -> tuple[list[int], list[tuple[int, int]]]:
    """How many pixels the memory holds, to be filled in; and what has been tried: how many tiles,
    and their side."""
    most, tried = list[int](), list[tuple[int, int]]()
    forward = Restorer._forward

    def scarce(self: Restorer, tiles: np.ndarray, *way: Any) -> np.ndarray:
        tried.append((len(tiles), tiles.shape[2]))
        if tiles[..., 0].size > most[0]:
            raise NotEnoughMemoryError("not enough memory")
        return forward(self, tiles, *way)

    monkeypatch.setattr(Restorer, "_forward", scarce)
    return most, tried


@pytest.mark.parametrize(("side", "said"), [(128, [ALONE]), (64, [ALONE, HALVED])])
def test_tiles_too_many_for_the_memory_go_alone_before_they_are_halved(
    tiny: Path, side: int, said: list[str], holds: Any, caplog: pytest.LogCaptureFixture
) -> None:
    most, tried = holds
    most.append(side * side)
    image, told = picture(128, 600, 3), list[tuple[int, int]]()
    restore = as_on_a_gpu(tiny, tile=128, overlap=16)
    result = restore(image, lambda *now: told.append(now))
    assert caplog.messages == said
    assert tried[0] == (6, 128)
    assert set(tried[len(said) :]) == {(1, side)}
    assert told == [(i + 1, len(told)) for i in range(len(told))]
    np.testing.assert_array_equal(result, load(tiny, tile=side, overlap=16)(image))


def test_where_not_even_a_small_tile_fits_an_error_says_so(tiny: Path, holds: Any) -> None:
    holds[0].append(0)
    with pytest.raises(RestoreError, match="not enough memory for tiles of 64 pixels a side"):
        as_on_a_gpu(tiny)(picture(64, 600, 3))
    assert [tiles for tiles, _ in holds[1]] == [7, 1]


def test_several_that_were_too_many_are_not_tried_again(
    tiny: Path, holds: Any, caplog: pytest.LogCaptureFixture
) -> None:
    most, tried = holds
    most.append(2 * 64 * 64)
    image, restore = picture(*SIZE, 3), as_on_a_gpu(tiny)
    first = restore(image)
    assert tried == [(5, 64), *[(1, 64)] * 18]
    tried.clear()
    np.testing.assert_array_equal(restore(image), first)
    assert tried == [(1, 64)] * 18
    tried.clear()
    assert len(list(restore.frames([image] * 4, batch=2))) == 4
    assert tried == [(2, 64)] * 36
    assert caplog.messages == [ALONE]


def test_threads_are_told_once_that_several_are_too_many(
    tiny: Path, holds: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    most, tried = holds
    most.append(64 * 64)
    image, restore, both = picture(*SIZE, 3), as_on_a_gpu(tiny), threading.Barrier(2)
    scarce = Restorer._forward

    def meet(self: Restorer, tiles: np.ndarray, *way: Any) -> np.ndarray:
        if len(tiles) > 1:
            both.wait(timeout=60)
        return scarce(self, tiles, *way)

    monkeypatch.setattr(Restorer, "_forward", meet)
    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(restore, [image] * 2)
    np.testing.assert_array_equal(one, other)
    assert sorted(tried) == [*[(1, 64)] * 36, *[(5, 64)] * 2]
    assert caplog.messages == [ALONE]
