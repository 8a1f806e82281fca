"""Libraries that come with extras of this package."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, BinaryIO

from restore.errors import ImageError
from restore.media.formats import Format


def library_of(format_: Format) -> Any:
    """The module that reads and writes a format. Raises `ImageError` saying what brings it."""
    try:
        return importlib.import_module(format_.library)
    except ImportError:
        raise ImageError(
            f'{format_.name} needs an extra: pip install "restore[{format_.extra}]"'
        ) from None


def on_disk(stream: BinaryIO, folder: str, suffix: str) -> Path:
    """A copy of a stream as a file, for libraries that read nothing else."""
    path = Path(folder) / f"picture{suffix}"
    stream.seek(0)
    with open(path, "wb") as file:
        while chunk := stream.read(1 << 20):
            file.write(chunk)
    return path
