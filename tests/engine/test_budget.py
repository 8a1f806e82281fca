"""Memory: what is asked for, what a tile takes, and what happens when it runs out."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from few_tiles import FEW_TILES
from models import save_model

from restore.benchmark import footprint
from restore.checkpoints.card import TilePolicy
from restore.engine import budget
from restore.engine.restorer import Restorer
from restore.errors import RestoreError, UsageError
from restore.networks.fast import FastMaxim

POLICY = TilePolicy(size=384, overlap=32, whole_up_to=1024 * 1024)


@pytest.mark.parametrize(
    ("amount", "bytes_"),
    [("4GiB", 4 << 30), ("800 MB", 800 << 20), ("1.5g", 3 << 29), ("2048", 2048), ("2K", 2048)],
)
def test_amounts_are_understood(amount: str, bytes_: int) -> None:
    assert budget.parsed(amount) == bytes_


@pytest.mark.parametrize("amount", ["", "0", "0GiB", "much", "-1G", "4 GiB please", "4PiB"])
def test_other_amounts_are_refused(amount: str) -> None:
    with pytest.raises(UsageError, match=r"max_memory is .*; use a size such as 4GiB"):
        budget.parsed(amount)


def test_what_is_free_is_what_there_is() -> None:
    assert 0 < budget.free(torch.device("cpu")) < 1 << 50


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """The sizes of what goes through the network."""
    sizes: list[tuple[int, ...]] = []
    forward = Restorer._forward

    def listen(self: Restorer, tiles: np.ndarray, *cut: Any) -> np.ndarray:
        sizes.append(tiles.shape[1:3])
        return forward(self, tiles, *cut)

    monkeypatch.setattr(Restorer, "_forward", listen)
    return sizes


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def test_max_memory_decides_about_tiles(tmp_path: Path, seen: list[tuple[int, ...]]) -> None:
    path = save_model(tmp_path, tile=POLICY, memory={"cpu": {"float32": 1000.0}})
    image = noise(400, 300)
    Restorer("denoise", path, device="cpu", max_memory="1GiB")(image)
    assert seen == [(416, 320)]
    seen.clear()
    # 128 x 128 pixels of 1000 bytes, besides the picture twice and a row of tiles in floats.
    most = 1000 * 128 * 128 + 2 * image.nbytes + (128 + 64) * 300 * 12
    Restorer("denoise", path, device="cpu", max_memory=most)(image)
    assert len(seen) > 4
    assert max(max(size) for size in seen) <= 128
    seen.clear()
    Restorer("denoise", path, device="cpu", max_memory=most, tile=256)(image)
    assert max(seen[0]) > 128  # who names a size gets it


def test_overlap_is_an_option(tmp_path: Path, seen: list[tuple[int, ...]]) -> None:
    path = save_model(tmp_path)
    counts = []
    for overlap in (0, 48):
        seen.clear()
        Restorer("denoise", path, device="cpu", tile=96, overlap=overlap)(noise(96, 480))
        counts.append(len(seen))
    assert counts[0] == 5
    assert counts[1] > 7
    with pytest.raises(UsageError, match="overlap is -1"):
        Restorer("denoise", path, overlap=-1)


def test_where_memory_runs_out_tiles_are_halved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = save_model(tmp_path)
    image = noise(200, 300)
    expected = Restorer("denoise", path, device="cpu", tile=96)(image)
    restorer = Restorer("denoise", path, device="cpu", tile=192)
    forward = FastMaxim.forward
    sizes: list[int] = []

    def scarce(self: FastMaxim, x: torch.Tensor, *walk: Any) -> torch.Tensor:
        sizes.append(x.shape[-1])
        if sizes[-1] > 100:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return forward(self, x, *walk)

    monkeypatch.setattr(FastMaxim, "forward", scarce)
    with caplog.at_level(logging.WARNING, "restore"):
        result = restorer(image)
    assert sizes[0] == 192
    assert set(sizes[1:]) == {96}
    assert caplog.messages == ["not enough memory; going on with tiles of 96 pixels a side"]
    np.testing.assert_array_equal(result, expected)

    def barren(self: FastMaxim, x: torch.Tensor, *walk: Any) -> torch.Tensor:
        raise torch.OutOfMemoryError("none")

    monkeypatch.setattr(FastMaxim, "forward", barren)
    with pytest.raises(RestoreError, match="not enough memory for tiles of 96 pixels"):
        restorer(image)


@pytest.mark.slow
def test_a_model_is_measured() -> None:
    found = footprint.on_cpu("denoise", "denoise-small", ["float32"])
    assert 200 < found["float32"] < 5000
    with pytest.raises(RestoreError, match="could not be measured"):
        footprint.on_cpu("denoise", "no-such-model", ["float32"])


LARGE = f"""{FEW_TILES}
import numpy as np
model, strength = sys.argv[4:]
height, width, most = map(int, sys.argv[1:4])
image = np.zeros((height, width, 3), np.uint8)
image[::7, ::5] = 200
restore = Restorer("denoise", model, device="cpu", max_memory=most, strength=float(strength))
restore(image)
print(peak() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    ("height", "width", "gibibytes", "model", "strength"),
    [
        (1000, 1000, 1, "denoise-s1", 0.5),
        (3464, 3464, 1, "denoise-s1", 1),
        (5000, 5000, 1, "denoise-small", 0.5),
        (10_000, 10_000, 2, "denoise-small", 1),
        (625, 20_000, 1, "denoise-small", 1),
        (20_000, 625, 1, "denoise-small", 0.5),
    ],
)
def test_max_memory_holds(
    height: int, width: int, gibibytes: int, model: str, strength: float
) -> None:
    words = (height, width, gibibytes << 30, model, strength)
    command = [sys.executable, "-c", LARGE, *(str(word) for word in words)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) < gibibytes << 30
