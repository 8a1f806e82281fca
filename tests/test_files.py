"""Files that may be written, or not."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from restore.errors import RestoreError
from restore.files import atomic_path, check_target, ignores_case


def test_a_target_is_refused_before_any_work(tmp_path: Path) -> None:
    existing = tmp_path / "a.csv"
    existing.touch()
    (tmp_path / "link.csv").symlink_to(tmp_path / "absent")
    for path, what in (
        (existing, "exists already; give overwrite=True"),
        (tmp_path / "link.csv", "exists already; give overwrite=True"),
        (tmp_path, "is a folder"),
        (tmp_path / "nowhere" / "a.csv", "folder .*nowhere does not exist"),
    ):
        with pytest.raises(RestoreError, match=rf"\A{path}: {what}.*\Z"):
            check_target(path, False, RestoreError)
    check_target(existing, True, RestoreError)
    check_target(tmp_path / "new.csv", False, RestoreError)


def test_case_is_ignored_where_names_in_either_case_are_one_file(tmp_path: Path) -> None:
    for name in ("same", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "Photo.jpg").touch()
    assert not ignores_case(tmp_path / "other")
    assert not ignores_case(tmp_path / "other" / "not yet there")
    # As on a file system that ignores case, one file answers to both names.
    os.link(tmp_path / "same" / "Photo.jpg", tmp_path / "same" / "pHOTO.JPG")
    assert ignores_case(tmp_path / "same")
    assert ignores_case(tmp_path / "same" / "12345")


def test_a_read_only_file_is_replaced_and_stays_read_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before, its permissions were given to the new file before that was opened once more."""
    path, modes, fsync = tmp_path / "a.txt", list[int](), os.fsync

    def noting(descriptor: int) -> None:
        modes.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        fsync(descriptor)

    path.write_text("old")
    path.chmod(0o444)
    monkeypatch.setattr(os, "fsync", noting)
    with atomic_path(path) as temporary:
        temporary.write_text("new")
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("new", 0o444)
    assert len(modes) == 1
    assert modes[0] & stat.S_IWUSR
