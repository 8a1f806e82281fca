"""Photographs and drawings with free licences, from packages of Debian 12 (main).

Each package states the licences of its files in ``usr/share/doc/PACKAGE/copyright``.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from PIL import Image

from restore.checkpoints.card import TrainingSet

DATA = TrainingSet(
    "Photographs, wallpapers and drawings of 11 packages of Debian 12 (main)",
    "public domain, CC0, CC BY, CC BY-SA, MIT, LGPL and GPL; see each package",
)
PHOTOGRAPHS: Mapping[str, str] = {
    "endless-sky-data": "usr/share/games/endless-sky/images/land/*.jpg",
    "kphotoalbum": "usr/share/kphotoalbum/demo/*.jpg",
    "lomiri-wallpapers-16.04": "usr/share/backgrounds/*.jpg",
    "lomiri-wallpapers-20.04": "usr/share/backgrounds/*.jpg",
    "mate-backgrounds": "usr/share/backgrounds/mate/nature/*.jpg",
    "palapeli-data": "usr/share/palapeli/collection/*.jpg",
    "plasma-workspace-wallpapers": "usr/share/wallpapers/*/contents/images/*",
    "scratch": "usr/share/scratch/Media/Backgrounds/*/*.jpg",
}
"""Package -> its photographs; among the wallpapers are some drawings."""
DRAWINGS: Mapping[str, str] = {
    "pysiogame": "usr/share/games/pysiogame/res/images/**/*.jpg",
    "ukui-wallpapers": "usr/share/backgrounds/*",
    "gnome-backgrounds": "usr/share/backgrounds/gnome/*.webp",
}
LEAST_SIDE, MOST_PIXELS = 128, 1_200_000
"""Smaller pictures are left out, larger ones reduced."""


def fetch(target: Path) -> None:
    """Write the pictures into ``photographs`` and ``drawings`` of a folder.

    Needs apt and dpkg. Raises `subprocess.CalledProcessError` where a package cannot be fetched.
    """
    for name, packages in (("photographs", PHOTOGRAPHS), ("drawings", DRAWINGS)):
        (target / name).mkdir(parents=True, exist_ok=True)
        for package, pattern in packages.items():
            with tempfile.TemporaryDirectory() as unpacked:
                for index, path in enumerate(_files(package, pattern, Path(unpacked))):
                    _keep(path, target / name / f"{package}-{index:04d}.png")


def _files(package: str, pattern: str, folder: Path) -> Iterator[Path]:
    subprocess.run(["apt-get", "download", "-q", package], cwd=folder, check=True)
    (archive,) = folder.glob("*.deb")
    subprocess.run(["dpkg-deb", "-x", archive, folder], check=True)
    yield from sorted(p for p in folder.glob(pattern) if p.is_file() and not p.is_symlink())


def _keep(path: Path, target: Path) -> None:
    with Image.open(path) as file:
        picture = file.convert("RGB")
    if min(picture.size) < LEAST_SIDE:
        return
    scale = (MOST_PIXELS / (picture.width * picture.height)) ** 0.5
    if scale < 1:
        size = (round(picture.width * scale), round(picture.height * scale))
        picture = picture.resize(size, Image.Resampling.BOX)
    picture.save(target, compress_level=1)
