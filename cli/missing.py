"""Packages that an installation for ONNX Runtime lacks (docs/requirements-onnx.txt)."""

from collections.abc import Iterator
from contextlib import contextmanager

from restore.errors import RestoreError

LEFT_OUT = ("torch", "kornia", "lpips")


@contextmanager
def name_missing_packages() -> Iterator[None]:
    """Turn the absence of one into a `RestoreError`, which names it."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in LEFT_OUT:
            raise
        raise RestoreError(f"this requires {error.name}: pip install {error.name}") from error
