"""A full disk ends a folder run at once, and says what is left."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from command import restore
from models import save_model
from pictures import saved


def mounted(folder: Path, *options: str) -> bool:
    """Mount a file system of a fixed size in memory, or change that of a mounted one."""
    command = ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(folder)]
    try:
        return subprocess.run(command, capture_output=True).returncode == 0
    except OSError:
        return False


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "out"
    folder.mkdir()
    if not mounted(folder, "size=256k"):
        pytest.skip("file systems cannot be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("workers", [1, 3])
def test_a_full_disk_ends_a_folder_run(tmp_path: Path, small_disk: Path, workers: int) -> None:
    save_model(tmp_path, identity=True)
    (tmp_path / "in").mkdir()
    rng = np.random.default_rng(0)
    for i in range(8):  # 108 kB each
        saved(tmp_path / "in" / f"{i}.png", rng.integers(0, 256, (180, 200, 3), np.uint8))
    words = ("denoise", "in", "out", "--model", "tiny.safetensors", "--workers", workers)
    outcome = restore(*words, "--json", cwd=tmp_path)
    assert outcome.code == 1
    said = [json.loads(line) for line in outcome.stdout.splitlines()]
    status = [line["status"] for line in said]
    assert status.count("failed") == 1
    assert status.count("done") == 2
    assert status.count("stopped") == 5
    failed = next(line for line in said if line["status"] == "failed")
    assert failed["reason"].startswith("the disk is full: ")
    assert "No space left on device" in failed["reason"]
    told = outcome.stderr.splitlines()
    assert told[0] == (
        "note: the disk is full: 6 files are left; make room, and the same command goes on from "
        "there"
    )
    assert sum(line.startswith("failed: ") for line in told) == 1
    assert not list(small_disk.glob(".*.part"))
    assert mounted(small_disk, "remount", "size=4m")
    again = restore(*words, cwd=tmp_path)
    assert again.code == 0
    assert "6 done, 2 skipped" in again.stdout
