"""A folder of many files: bounded memory, and a rerun that opens nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command import restore


def figures(files: int, place: Path) -> dict[str, float]:
    done = restore("bench", "plan", "--files", files, "--place", place, "--json")
    assert done.code == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_folder(tmp_path: Path) -> None:
    found = figures(20_000, tmp_path)
    assert found["files"] == 20_000
    assert found["opened"] == 0
    assert found["memory"] < 32  # a kilobyte a file would be 20 MiB more
    assert not [*tmp_path.iterdir()]
