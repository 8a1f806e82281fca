"""`-` in place of a file: pictures from standard input and to standard output."""

import io
import sys
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from restore.cli.console import Reporter
from restore.errors import ImageError, UsageError
from restore.jobs.routing import PIPE
from restore.media.video.detect import is_clip

if TYPE_CHECKING:
    from restore.media.io_options import IoOptions
    from restore.media.picture import Picture


def refuse(paths: Iterable[Path]) -> None:
    """Raise `UsageError` if one of them is a pipe."""
    if PIPE in paths:
        raise UsageError("- is for one picture; name files and a folder")


def refuse_clips(paths: Iterable[Path]) -> None:
    """Raise `UsageError` for a clip together with a pipe."""
    clips = [path for path in paths if is_clip(path)]
    if clips and PIPE in paths:
        raise UsageError(f"{clips[0]}: - is for pictures; name a file")


def read(options: "IoOptions") -> "Picture":
    """Read the picture on standard input. Raises `ImageError`."""
    return options.read("standard input", io.BytesIO(content()))


@cache
def content() -> bytes:
    """Return all of standard input. Raises `ImageError` if it is empty."""
    if sys.stdin.isatty():
        raise UsageError("standard input is a terminal; send a picture into it")
    found = sys.stdin.buffer.read()
    if not found:
        raise ImageError("standard input: is empty")
    return found


def copier(source: Path, target: Path) -> "Callable[[Picture], bool]":
    """Return a function that copies the input to the output, one of them a pipe, as `image.copy`
    does."""
    from restore.media import image as media

    def copy(picture: "Picture") -> bool:
        if source != PIPE and not source.is_file():  # a named pipe has been read
            return False
        given = content() if source == PIPE else source.read_bytes()
        if target != PIPE:
            return media.copy(picture, given, target)
        _send(given)  # standard output has the input's format
        return True

    return copy


def silent(reporter: Reporter) -> Reporter:
    """Return the reporter to use when standard output carries a picture. Raises `UsageError` if it
    cannot."""
    if reporter.as_json:
        raise UsageError("--json and the picture would both go to standard output")
    if sys.stdout.isatty():
        raise UsageError("standard output is a terminal; send the picture to a file")
    return Reporter(quiet=True)


def ending(format_: str) -> str:
    """Return ``.png`` for "png". Raises `UsageError` for a format that does not exist."""
    from restore.media.formats import checked_ending

    return checked_ending(format_) if format_ else ""


def named(picture: "Picture", ending: str) -> Path:
    """Name standard output: with the ``ending`` asked for, or one of the input's format."""
    from restore.media.formats import BY_SUFFIX

    own = (s for s, kind in BY_SUFFIX.items() if kind.name == picture.info["format"])
    return Path(f"standard output{ending or next(own)}")


def write(picture: "Picture", name: Path) -> None:
    """Write a picture to standard output, all of it or nothing, in the format of ``name``."""
    from restore.media import image as media

    _send(media.encoded(picture, name))


def _send(given: bytes) -> None:
    sys.stdout.buffer.write(given)
    sys.stdout.buffer.flush()
