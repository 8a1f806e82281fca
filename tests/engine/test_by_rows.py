"""Pictures that are not held: the same result as of those that are."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from few_tiles import FEW_TILES
from models import save_model

from restore.benchmark.footprint import PEAK
from restore.checkpoints.card import TilePolicy
from restore.engine.restorer import Restorer
from restore.media import image as media
from restore.media import large
from restore.media.file_sink import writing
from restore.media.formats.png.by_rows import PngSink
from restore.networks.fast import FastMaxim

TILES = TilePolicy(size=96, overlap=16, whole_up_to=96 * 96)
REDUCED = TilePolicy(size=96, overlap=16, whole_up_to=96 * 96, reduce_to=64)


def picture(dtype: Any = np.uint8, height: int = 300, width: int = 200) -> np.ndarray:
    random = np.random.default_rng(0)
    return random.integers(0, np.iinfo(dtype).max, (height, width, 3), dtype, True)


def stored(folder: Path, pixels: np.ndarray) -> Path:
    kind = "minisblack" if pixels.ndim == 2 else "rgb"
    path = folder / "in.tif"
    tifffile.imwrite(path, pixels, photometric=kind, compression="zlib", tile=(64, 48))
    return path


@pytest.mark.parametrize("tiles", [TILES, REDUCED])
@pytest.mark.parametrize("strength", [0.0, 0.7, 1.0])
@pytest.mark.parametrize(
    "pixels",
    [
        picture(),
        picture(np.uint16),
        picture()[..., 0],
        np.repeat(picture(np.uint16)[..., :1], 3, axis=2),
        picture(height=40, width=700),
    ],
    ids=["8 bits", "16 bits", "grey", "grey in colour", "thin"],
)
def test_by_rows_is_as_whole(
    pixels: np.ndarray, strength: float, tiles: TilePolicy, tmp_path: Path
) -> None:
    restore = Restorer("denoise", save_model(tmp_path, tile=tiles), strength=strength, device="cpu")
    source = large.read(stored(tmp_path, pixels), above=100)
    assert source is not None
    for ending in (".tif", ".png"):
        large.restore(source, tmp_path / f"out{ending}", restore.by_rows)
        done = media.read(tmp_path / f"out{ending}")
        np.testing.assert_array_equal(done.pixels, restore(pixels))
    result = np.empty_like(pixels)
    restore.by_rows(source.pixels, result)
    np.testing.assert_array_equal(result, restore(pixels))


def test_where_memory_runs_out_half_way_all_rows_are_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, pixels = save_model(tmp_path, tile=TILES), picture()
    halved = Restorer("denoise", path, device="cpu", tile=64, overlap=16)(pixels)
    forward, sizes = FastMaxim.forward, []

    def scarce(self: FastMaxim, x: torch.Tensor, *more: Any) -> torch.Tensor:
        sizes.append(x.shape[-1])
        if len(sizes) > 4 and sizes[-1] > 64:  # the first rows are in the file by then
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return forward(self, x, *more)

    monkeypatch.setattr(FastMaxim, "forward", scarce)
    restore = Restorer("denoise", path, device="cpu", tile=128, overlap=16)
    source = large.read(stored(tmp_path, pixels), above=100)
    assert source is not None
    for ending in (".tif", ".png"):
        sizes.clear()
        large.restore(source, tmp_path / f"out{ending}", restore.by_rows)
        np.testing.assert_array_equal(media.read(tmp_path / f"out{ending}").pixels, halved)
        assert sizes[4] > 64 >= sizes[5]


def test_the_budget_counts_what_is_held(tmp_path: Path) -> None:
    path = save_model(tmp_path, tile=TILES, memory={"cpu": {"float32": 1000.0}})
    pixels = picture(height=16000, width=500)
    source = large.read(stored(tmp_path, pixels), above=100)
    assert source is not None
    # A third is left for what changes with the size of tiles.
    most = (source.pixels.nbytes + (96 + 32) * 500 * 12 + 96 * 96 * 1000) * 3 + 3
    assert most < 2 * pixels.nbytes
    restore = Restorer("denoise", path, device="cpu", max_memory=most)
    with writing(PngSink, tmp_path / "out.png", source) as sink:
        plan = restore._memory.plan(restore._options, [source.pixels], [sink])
        assert plan.policy.size == 96
        sink[slice(0, 16000)] = pixels
    plan = restore._memory.plan(restore._options, [pixels], [np.empty_like(pixels)])
    assert plan.policy.size == 64


RUN = f"""{PEAK}
import torch
before = peak()
from restore import Restorer
from restore.media.io_options import IoOptions
from restore.media import image, large
from pathlib import Path
source, target, above = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
picture = IoOptions().read(source, target=target, above=above)
restore = Restorer("dehaze", "dehaze-small", device="cpu")
if large.goes_by_rows(picture, target, above):
    large.restore(picture, target, restore.by_rows)
else:
    image.write(picture.through(restore), target)
print(peak() - before)
"""


BUDGET = f"""{FEW_TILES}
from restore.media import large
from pathlib import Path
source, target, most = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
restore = Restorer("denoise", "denoise-small", device="cpu", max_memory=most)
large.restore(large.read(source), target, restore.by_rows)
print(peak() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="peaks include what was loaded before")
def test_a_budget_holds_that_the_picture_alone_would_exceed(tmp_path: Path) -> None:
    side, most = 10_000, 512 << 20
    pixels = np.full((side, side, 3), 90, np.uint8)
    assert 2 * pixels.nbytes > most
    source = tmp_path / "in.tif"
    tifffile.imwrite(source, pixels, photometric="rgb", compression="zlib", rowsperstrip=20)
    command = [sys.executable, "-c", BUDGET, str(source), str(tmp_path / "out.tif"), str(most)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) < most


@pytest.mark.slow
@pytest.mark.parametrize("ending", [".tif", ".png"])
def test_a_large_picture_is_never_held(ending: str, tmp_path: Path) -> None:
    side = 10_000
    row = np.arange(side * 3, dtype=np.uint32).astype(np.uint8).reshape(1, side, 3)
    pixels = np.repeat(row, side, axis=0)
    source, target = tmp_path / f"in{ending}", tmp_path / f"out{ending}"
    if ending == ".tif":
        tifffile.imwrite(source, pixels, photometric="rgb", compression="zlib", tile=(256, 256))
    else:
        media.write(media.Picture(pixels, None, {}), source)
    whole_picture = pixels.nbytes
    del pixels

    def taken(above: int) -> int:
        target.unlink(missing_ok=True)
        command = [sys.executable, "-c", RUN, str(source), str(target), str(above)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return int(done.stdout)

    assert taken(above=24_000_000) < 2.2 * whole_picture
    if ending == ".tif":  # one control, which takes long, shows that the limit tells both apart
        assert taken(above=1 << 40) > 2.2 * whole_picture
