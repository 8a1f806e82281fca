from __future__ import annotations

import os
import time
from pathlib import Path

from restore.jobs.file_version import settled_version, version_of


def test_a_version_is_size_and_time(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    os.utime(path, ns=(0, 10**9 + 7))
    assert version_of(path) == settled_version(path) == [3, 10**9 + 7]
    with open(path, "rb") as file:
        assert version_of(file.fileno()) == [3, 10**9 + 7]
    assert version_of(tmp_path / "absent") is None


def test_a_file_that_has_just_changed_has_no_settled_version(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    assert settled_version(path) is None
    os.utime(path, ns=(0, time.time_ns() + 10**12))  # a clock that is ahead
    assert settled_version(path) is None
