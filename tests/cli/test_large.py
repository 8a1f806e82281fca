"""Pictures of more than 24 megapixels, from the command line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile
from command import restore

from restore.engine.restorer import Restorer
from restore.media import image as media
from restore.media import large

HEIGHT, WIDTH = 5000, 4900


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.uint32)
    pixels = np.dstack((x * y >> 8, x + y, x * 3 + (y >> 2))).astype(np.uint8)
    path = tmp_path_factory.mktemp("large") / "in.tif"
    tifffile.imwrite(path, pixels // 2 + 100, photometric="rgb", compression="zlib", rowsperstrip=9)
    assert HEIGHT * WIDTH > large.ABOVE
    return path


@pytest.mark.slow
def test_it_is_as_if_it_were_small(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    outcome = restore("dehaze", source, out, "--quality", "fast", "--device", "cpu", "--json")
    assert outcome.code == 0, outcome.stderr
    values = json.loads(outcome.stdout)
    assert (values["width"], values["height"], values["output"]) == (WIDTH, HEIGHT, str(out))
    expected = Restorer("dehaze", "dehaze-small", device="cpu")(tifffile.imread(source))
    assert np.abs(expected.astype(int) - tifffile.imread(source)).max() > 8
    np.testing.assert_array_equal(media.read(out).pixels, expected)

    folder = tmp_path / "folder"
    words = ("dehaze", source.parent, folder, "--quality", "fast", "--device", "cpu", "--json")
    for status in ("done", "skipped"):
        outcome = restore(*words)
        assert outcome.code == 0, outcome.stderr
        assert json.loads(outcome.stdout)["status"] == status
    np.testing.assert_array_equal(media.read(folder / "in.tif").pixels, expected)


@pytest.mark.slow
def test_ctrl_c_in_the_middle_leaves_nothing(source: Path, tmp_path: Path) -> None:
    fast = ("--quality", "fast", "--device", "cpu", "--tile", "64")
    words = ("denoise", source, tmp_path / "out.tif", *fast)
    process = subprocess.Popen(
        [sys.executable, "-m", "restore.cli", *map(str, words)],
        stderr=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
    )
    end = time.monotonic() + 120
    while not any(path.stat().st_size for path in tmp_path.glob(".*.part")):
        assert time.monotonic() < end, "nothing was ever written"
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130, said
    assert said.strip().splitlines()[-1].startswith("interrupted")
    assert not list(tmp_path.iterdir())
