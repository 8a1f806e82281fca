"""Passing a picture on as it is."""

from __future__ import annotations

import shutil
from pathlib import Path

from restore.media.formats import FORMATS
from restore.media.image import placed, write
from restore.media.opening import unwritable
from restore.media.picture import Picture


def copy(picture: Picture, source: str | Path, target: str | Path) -> None:
    """Put the picture read from ``source`` at ``target``: the same bytes where the suffixes name
    one format, else written anew.

    Raises `ImageError` where it cannot be written; nothing is left behind then.
    """
    source, target = Path(source), Path(target)
    format_ = FORMATS.get(source.suffix.lower())
    if format_ is None or format_ != FORMATS.get(target.suffix.lower()):
        write(picture, target)
        return
    with placed(target) as temporary, unwritable(target):
        shutil.copyfile(source, temporary)
