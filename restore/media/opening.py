"""Whatever goes wrong with a file of a picture, in one line."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

from restore.errors import ImageError
from restore.media.formats import Format


@contextmanager
def opened(path: Path, given: BinaryIO | None = None) -> Iterator[BinaryIO]:
    """The file as a stream that can be sought in; whatever is raised inside becomes a line."""
    with explained(path), warnings.catch_warnings():
        # Pillow warns of large pictures and of oddities in metadata; the first is decided
        # elsewhere, the second does not concern the pixels.
        warnings.simplefilter("ignore")
        with nullcontext(given) if given else open(path, "rb") as stream:
            yield stream


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Whatever is raised while a picture is read becomes an `ImageError` of one line."""
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
        raise ImageError(f"{path}: needs more memory than there is") from None
    except OSError as error:
        raise ImageError(f"{path}: cannot be read: {line(error.strerror or error)}") from error
    except LookupError as error:  # whose text is but a key or a place that is not there
        raise ImageError(f"{path}: damaged: what it says of itself makes no sense") from error
    except Exception as error:  # a decoder may raise anything on a damaged file
        raise ImageError(f"{path}: damaged: {line(error)}") from error


@contextmanager
def unwritable(path: Path, format_: Format | None = None) -> Iterator[None]:
    """What a disk raises while a picture is written becomes an `ImageError` of one line; with
    ``format_``, whatever the encoder of that does."""
    try:
        yield
    except ImageError:
        raise
    except OSError as error:
        raise ImageError(f"{path}: cannot be written: {line(error.strerror or error)}") from error
    except Exception as error:
        if format_ is None:
            raise
        raise ImageError(f"{path}: cannot be written as {format_.name}: {line(error)}") from error


def begins(stream: BinaryIO, magics: tuple[bytes, ...]) -> bool:
    """Whether a stream, which is left at its beginning, starts with one of these."""
    stream.seek(0)
    head = stream.read(64)
    stream.seek(0)
    return head.startswith(magics)


def line(error: object) -> str:
    """The text of an error in one line, or what it is where it has none."""
    text = " ".join(str(error).split())
    return text or type(error).__name__
