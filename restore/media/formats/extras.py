"""Libraries that come with optional extras of this package."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, BinaryIO

from restore.errors import ImageError, pip_install


def library_of(format_name: str, extra: str, library: str) -> Any:
    """Import the module that a format requires. Raises `ImageError` naming the extra to install."""
    try:
        return importlib.import_module(library)
    except ImportError:
        raise ImageError(f"{format_name} needs an extra: {pip_install(extra)}") from None


def on_disk(stream: BinaryIO, folder: str, suffix: str) -> Path:
    """Copy a stream to a file, for libraries that read only files."""
    path = Path(folder) / f"picture{suffix}"
    stream.seek(0)
    with open(path, "wb") as file:
        while chunk := stream.read(1 << 20):
            file.write(chunk)
    return path
