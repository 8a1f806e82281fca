"""`-` in place of a file: pictures from standard input and to standard output."""

import io
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from restore.cli.console import Reporter
from restore.errors import ImageError, UsageError

if TYPE_CHECKING:
    from restore.media.choices import Choices
    from restore.media.picture import Picture

PIPE = Path("-")


def refuse(paths: Iterable[Path]) -> None:
    """Raise `UsageError` where one of them is a pipe."""
    if PIPE in paths:
        raise UsageError("- is for one picture; name files and a folder")


def read(choices: "Choices") -> "Picture":
    """The picture on standard input. Raises `ImageError`."""
    if sys.stdin.isatty():
        raise UsageError("standard input is a terminal; send a picture into it")
    content = sys.stdin.buffer.read()
    if not content:
        raise ImageError("standard input: is empty")
    return choices.read("standard input", io.BytesIO(content))


def silent(reporter: Reporter) -> Reporter:
    """How to talk when standard output carries a picture. Raises `UsageError` where it cannot."""
    if reporter.as_json:
        raise UsageError("--json and the picture would both go to standard output")
    if sys.stdout.isatty():
        raise UsageError("standard output is a terminal; send the picture to a file")
    return Reporter(quiet=True)


def writer(format_: str = "") -> Callable[["Picture"], None]:
    """What puts a picture on standard output, all of it or nothing: encoded as ``format_`` (such
    as "png"), or as it came. Raises `UsageError` for a format that does not exist."""
    from restore.media import formats
    from restore.media import image as media

    asked = formats.checked_ending(format_) if format_ else ""

    def write(picture: "Picture") -> None:
        own = (s for s, kind in formats.FORMATS.items() if kind.name == picture.info["format"])
        content = media.encoded(picture, asked or next(own))
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()

    return write
