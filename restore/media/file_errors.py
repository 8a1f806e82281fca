"""Errors of image files, each reduced to one line that names the file."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

from restore.errors import ImageError

HEAD = 64
"""Bytes at the beginning of a file by which its format is recognised."""


@contextmanager
def opened(path: Path, given: BinaryIO | None = None) -> Iterator[BinaryIO]:
    """Open a file as a seekable stream, or use the given one. Converts errors as `explained`."""
    with explained(path), warnings.catch_warnings():
        # Pillow warns about large images and odd metadata. Size is limited by our own check, and
        # metadata does not affect the pixels.
        warnings.simplefilter("ignore")
        with nullcontext(given) if given else open(path, "rb") as stream:
            yield stream


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Convert any exception raised while an image is read into an `ImageError` of one line."""
    try:
        yield
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from error
    except FileNotFoundError:
        raise ImageError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise ImageError(f"{path}: is a folder, not a picture") from None
    except UnidentifiedImageError:
        raise ImageError(f"{path}: not a picture in a format that can be read") from None
    except Image.DecompressionBombError:
        raise ImageError(f"{path}: a tile in it claims too many pixels; refused") from None
    except MemoryError:
        raise ImageError(f"{path}: requires more memory than is available") from None
    except OSError as error:
        raise ImageError(f"{path}: cannot be read: {line(error.strerror or error)}") from error
    except LookupError as error:  # its text is only the missing key or index
        raise ImageError(f"{path}: damaged: its header contradicts itself") from error
    except Exception as error:  # decoders raise errors of any type on damaged files
        raise ImageError(f"{path}: damaged: {line(error)}") from error


@contextmanager
def unwritable(path: Path, format_name: str = "") -> Iterator[None]:
    """Convert an `OSError` raised while an image is written into an `ImageError` of one line; with
    ``format_name``, errors of that format's encoder as well."""
    try:
        yield
    except ImageError:
        raise
    except OSError as error:
        raise ImageError(f"{path}: cannot be written: {line(error.strerror or error)}") from error
    except Exception as error:
        if not format_name:
            raise
        raise ImageError(f"{path}: cannot be written as {format_name}: {line(error)}") from error


def head_of(stream: BinaryIO) -> bytes:
    """Read the first `HEAD` bytes and rewind the stream."""
    stream.seek(0)
    head = stream.read(HEAD)
    stream.seek(0)
    return head


def line(error: object) -> str:
    """Return an error's text in one line, or its class name if it has no text."""
    text = " ".join(str(error).split())
    return text or type(error).__name__
