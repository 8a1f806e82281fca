"""Values of options that need more than Typer's parsing."""

import typer

from restore.cli.console import Reporter
from restore.errors import UsageError


def split_quality(
    quality: str | None, encode_quality: int | None, reporter: Reporter
) -> tuple[str | None, int | None]:
    """Take a number after ``--quality`` as the encoder's, which that option once was, with a note.

    Raises `UsageError` if both options give the encoder's.
    """
    if quality is None or not quality.lstrip("-").isdecimal():
        return quality, encode_quality
    if encode_quality is not None:
        raise UsageError(f"--quality {quality} and --encode-quality both choose the encoder's")
    reporter.note(f"--quality {quality} means --encode-quality {quality}, its name now")
    return None, int(quality)


def picture_size(text: str) -> tuple[int, int]:
    """Return (width, height) for "1920x1080"."""
    sides = text.lower().split("x")
    if len(sides) != 2 or not all(side.isdecimal() and int(side) for side in sides):
        raise typer.BadParameter(f"size is {text!r}; use WIDTHxHEIGHT, such as 1920x1080")
    return int(sides[0]), int(sides[1])
