"""Detection of clips, animations and numbered images by path. Imports little, so that every command
can use it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from restore.media.formats.format import Format

CONTAINERS = {
    ".mp4": "mp4",
    ".m4v": "mp4",
    ".mov": "mov",
    ".mkv": "matroska",
    ".webm": "webm",
    ".avi": "avi",
}
"""FFmpeg's names of the containers that can be written, by suffix."""

READABLE = frozenset(
    (
        *CONTAINERS,
        *(".ts", ".mts", ".m2ts", ".mpg", ".mpeg", ".vob", ".wmv", ".asf", ".flv", ".ogv"),
        *(".3gp", ".3g2", ".mxf", ".y4m", ".mjpeg", ".divx", ".f4v"),
    )
)
"""Suffixes of video files."""

_NUMBER = re.compile(r"%(?:0(?P<digits>[1-9]))?d")


def is_clip(path: Path) -> bool:
    """Whether a path has the suffix of a video file."""
    return path.suffix.lower() in READABLE


def is_pattern(path: Path) -> bool:
    """Whether a path stands for numbered images, such as ``frames/%05d.png``."""
    return len(_NUMBER.findall(path.name)) == 1 and not path.exists()


def can_be_animated(path: Path) -> bool:
    """Whether a path has a suffix under which animations are written."""
    from restore.media.formats import ANIMATED

    return path.suffix.lower() in ANIMATED


def is_animated(path: Path) -> bool:
    """Whether a file is an animated image. False for a file that cannot be read."""
    return bool(animation_format(path))


def animation_format(path: Path) -> str:
    """Return Pillow's name for the format of an animated image, independent of its suffix; empty
    for any other file."""
    if not can_be_animated(path) or not path.is_file():
        return ""
    from PIL import Image

    from restore.media.formats import ANIMATED_NAMES

    try:
        with Image.open(path, formats=ANIMATED_NAMES) as picture:
            return str(picture.format) if getattr(picture, "is_animated", False) else ""
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError):
        return ""


def is_read_by_pillow_only(path: Path) -> bool:
    """Whether a file is an animated image that FFmpeg cannot decode."""
    from restore.media.formats import FORMATS

    name = animation_format(path)
    found: list[Format] = [format_ for format_ in FORMATS if format_.name == name]
    return any(f.animation is not None and not f.animation.by_ffmpeg for f in found)


def numbered(pattern: Path, number: int) -> Path:
    """Return the path of the image of a pattern with this number."""
    return pattern.with_name(_NUMBER.sub(lambda found: _digits(found, number), pattern.name))


def _digits(found: re.Match[str], number: int) -> str:
    return f"{number:0{int(found['digits'] or 1)}d}"


def numbers(pattern: Path) -> list[int]:
    """Return the sorted numbers of the files of a pattern; none if the folder does not exist.

    Only the pattern's own spelling of a number counts: 000.png does not match ``%d.png``.
    """
    before, after = (re.escape(part) for part in _NUMBER.split(pattern.name)[::2])
    name = re.compile(f"{before}([0-9]+){after}")
    if not pattern.parent.is_dir():
        return []
    found = (name.fullmatch(path.name) for path in pattern.parent.iterdir())
    of = ((int(match[1]), match[0]) for match in found if match)
    return sorted(n for n, spelt in of if numbered(pattern, n).name == spelt)
