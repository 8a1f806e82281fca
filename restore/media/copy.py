"""Passing a picture on as it is."""

from __future__ import annotations

import shutil
from pathlib import Path

from restore.errors import ImageError
from restore.files import atomic_path
from restore.media.formats import FORMATS
from restore.media.image import write
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
    try:
        with atomic_path(target) as temporary:
            shutil.copyfile(source, temporary)
    except OSError as error:
        raise ImageError(f"{target}: cannot be written: {error.strerror or error}") from error
