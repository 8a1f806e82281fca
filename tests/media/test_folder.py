"""Folders of images."""

from __future__ import annotations

from pathlib import Path

import pytest

from restore.errors import ImageError
from restore.media import folder


def test_hidden_files_are_no_pictures(tmp_path: Path) -> None:
    """MacOS writes hidden companions next to images on foreign disks."""
    (tmp_path / "._a.jpg").touch()
    with pytest.raises(ImageError, match="holds no pictures"):
        folder.pictures(tmp_path)
    for name in ("b.PNG", "a.jpg", "notes.txt"):
        (tmp_path / name).touch()
    assert folder.pictures(tmp_path) == [tmp_path / "a.jpg", tmp_path / "b.PNG"]
