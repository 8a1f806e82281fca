"""Folders of images."""

from __future__ import annotations

from pathlib import Path

from restore.errors import ImageError
from restore.media.formats import SUFFIXES


def pictures(folder: Path) -> list[Path]:
    """List the images directly in a folder, sorted by name, without hidden files. Raises
    `ImageError` if there are none."""
    if not folder.is_dir():
        raise ImageError(f"{folder}: no such folder")
    shown = (path for path in folder.iterdir() if not path.name.startswith("."))
    paths = sorted(path for path in shown if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise ImageError(f"{folder}: holds no pictures")
    return paths


def pairs(inputs: Path, targets: Path) -> list[tuple[Path, Path]]:
    """Pair images of two folders by name without ending, sorted by name.

    Raises `ImageError` naming an image without a partner, or two images of one name in a folder.
    """
    sides = [_by_name(folder) for folder in (inputs, targets)]
    for name in sorted(sides[0].keys() ^ sides[1].keys()):
        folder = targets if name in sides[0] else inputs
        raise ImageError(f"{folder}: has no picture called {name}")
    return [(sides[0][name], sides[1][name]) for name in sorted(sides[0])]


def _by_name(folder: Path) -> dict[str, Path]:
    named: dict[str, Path] = {}
    for path in pictures(folder):
        other = named.setdefault(path.stem, path)
        if other != path:
            raise ImageError(f"{folder}: {other.name} and {path.name} have one name; keep one")
    return named
