"""Progress within a tile: how much of a forward pass is done."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
import torch
from models import save_model, tiny_network

from restore.checkpoints import store
from restore.engine import backend as backends
from restore.engine import share
from restore.engine.backend import PLAIN, TORCH
from restore.engine.restorer import Restorer
from restore.engine.share import ShareCounter
from restore.engine.tile_options import ALL, LEAST, SOME
from restore.networks import work

PICTURE = np.random.default_rng(0).random((1, 3, 256, 320), np.float32)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def every_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every layer tells its share, however quick."""
    monkeypatch.setattr(share, "EVERY", 0)


def shares(
    model: Path, hold: str, name: str = TORCH, windows: tuple[int, int] = (1, 1)
) -> list[float]:
    backend = backends.load(name, store.locate(str(model)), "cpu", "float32")
    backend._most = 1 << 16  # type: ignore[attr-defined]  # many strips in a small picture
    told: list[float] = []
    backend(PICTURE, windows, hold, told.append)
    return told


@pytest.mark.usefixtures("every_layer")
@pytest.mark.parametrize("hold", [ALL, SOME, LEAST])
@pytest.mark.parametrize("windows", [(1, 1), (2, 2)])
def test_shares_rise_evenly_to_the_end(model: Path, hold: str, windows: tuple[int, int]) -> None:
    told = shares(model, hold, windows=windows)
    assert len(told) > 30
    assert told == sorted(told)
    assert 0 < told[0] < 0.1
    assert 0.9 < told[-1] < 1
    assert np.diff(told).max() < 0.15


@pytest.mark.usefixtures("every_layer")
def test_the_plain_network_tells_its_share_too(model: Path) -> None:
    told = shares(model, ALL, PLAIN)
    assert told == sorted(told)
    assert 0.9 < told[-1] < 1


@pytest.mark.usefixtures("every_layer")
def test_nafnet_tells_its_share(tmp_path: Path) -> None:
    told = shares(nafnet(tmp_path), SOME)
    assert told == sorted(told)
    assert len(told) > 10
    assert 0.9 < told[-1] < 1


def nafnet(folder: Path) -> Path:
    from restore.checkpoints import weights
    from restore.checkpoints.card import Card
    from restore.networks import build, initialise
    from restore.networks.nafnet.config import NafnetConfig

    config = NafnetConfig(width=8, enc_blk_nums=(1, 1), middle_blk_num=1, dec_blk_nums=(1, 1))
    network = initialise(build(config), torch.Generator().manual_seed(0))
    path = folder / "naf.safetensors"
    weights.save(network, Card(name="naf", task="denoise", network=config, sha256=""), path)
    return path


@pytest.mark.usefixtures("every_layer")
def test_fractions_lead_up_to_each_finished_tile(model: Path) -> None:
    image = np.random.default_rng(0).random((96, 160, 3), np.float32)
    reports: list[tuple[float, int]] = []
    restorer = Restorer("denoise", model, device="cpu", tile=96)
    restored = restorer(image, lambda done, total: reports.append((done, total)))
    done = [done for done, _ in reports]
    assert {total for _, total in reports} == {3}
    assert done == sorted(done)
    assert [d for d in done if d == int(d)] == [1, 2, 3]
    assert len(done) > 40
    np.testing.assert_array_equal(restored, restorer(image))


@pytest.mark.usefixtures("every_layer")
def test_a_reduced_image_is_done_when_its_last_rows_are(model: Path) -> None:
    image = np.random.default_rng(0).random((700, 64, 3), np.float32)
    done: list[float] = []
    Restorer("denoise", model, device="cpu", reduce=32)(image, lambda d, total: done.append(d))
    assert done == sorted(done)
    assert done[-1] == 1
    assert done[-3] < done[-2] < 1  # three strips of rows
    assert 0 < done[0] < 0.1


def test_an_error_of_the_listener_ends_the_work_within_a_tile(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class EnoughError(Exception):
        pass

    def stop(done: float, total: int) -> None:
        seen.append(done)
        raise EnoughError

    monkeypatch.setattr(share, "EVERY", 0)
    seen: list[float] = []
    restorer = Restorer("denoise", model, device="cpu", tile="off")
    image = np.zeros((64, 64, 3), np.uint8)
    with pytest.raises(EnoughError):
        restorer(image, stop)
    assert 0 < seen[0] < 0.5
    assert len(seen) == 1
    restorer(image)  # and it still works


def test_shares_come_no_more_often_than_is_of_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(share, "EVERY", 0.25)
    clock = iter(np.arange(0, 100, 0.1))
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    told: list[float] = []
    count = ShareCounter(100, told.append)
    for _ in range(100):
        count(1)
    assert len(told) == 33
    assert told[0] == 0.03


def test_work_is_counted_in_the_thread_that_asks_and_scaled() -> None:
    counted: list[float] = []
    result = torch.zeros(2, 3)
    work.done(result, 5)
    with work.counting(counted.append):
        work.done(result, 5)
        with work.counted_as(0.5):
            work.done(result, 5)
        with work.counting(lambda multiplications: None):
            work.done(result, 5)
        work.done(result, 1)
    assert counted == [30, 15, 6]


def test_layers_count_themselves_once() -> None:
    network = tiny_network()
    work.count_layers(network)
    counted: list[float] = []
    with work.counting(counted.append), torch.inference_mode():
        network(torch.zeros(1, 3, 32, 32))
    matrices = [p for p in network.parameters() if p.ndim > 1]
    assert len(counted) == len(matrices)
    assert min(counted) > 0


@pytest.mark.usefixtures("every_layer")
def test_progress_of_tiles_that_go_together_never_falls(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("restore.engine.memory.tiles_at_once", lambda *of: 4)
    done: list[float] = []
    image = np.random.default_rng(0).random((64, 200, 3), np.float32)
    Restorer("denoise", model, device="cpu", tile=64)(image, lambda d, total: done.append(d))
    assert done == sorted(set(done))
    assert done[-1] == round(done[-1]) > 3
