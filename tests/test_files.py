"""Files that may be written, or not."""

from __future__ import annotations

from pathlib import Path

import pytest

from restore.errors import RestoreError
from restore.files import check_target


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
