"""Which paths mean moving pictures. Imports nothing, so that any command can ask."""

from __future__ import annotations

import re
from pathlib import Path

CONTAINERS = {
    ".mp4": "mp4",
    ".m4v": "mp4",
    ".mov": "mov",
    ".mkv": "matroska",
    ".webm": "webm",
    ".avi": "avi",
}
"""What can be written, by suffix, as FFmpeg calls it."""

READABLE = frozenset(
    (
        *CONTAINERS,
        *(".ts", ".mts", ".m2ts", ".mpg", ".mpeg", ".vob", ".wmv", ".asf", ".flv", ".ogv"),
        *(".3gp", ".3g2", ".mxf", ".y4m", ".mjpeg", ".divx", ".f4v"),
    )
)
ANIMATIONS = {".gif": "GIF", ".webp": "WEBP", ".png": "PNG", ".apng": "PNG"}
"""Formats of pictures that can move, as Pillow calls them."""

_NUMBER = re.compile(r"%(?:0(?P<digits>[1-9]))?d")


def is_clip(path: Path) -> bool:
    """Whether a name is that of a video file."""
    return path.suffix.lower() in READABLE


def is_pattern(path: Path) -> bool:
    """Whether a name stands for numbered pictures, such as ``frames/%05d.png``."""
    return len(_NUMBER.findall(path.name)) == 1 and not path.exists()


def is_animated(path: Path) -> bool:
    """Whether a file is an animated picture; not, where it cannot be read at all."""
    return bool(animation_format(path))


def animation_format(path: Path) -> str:
    """What Pillow calls an animated picture's format, whatever its ending; empty for all else."""
    if path.suffix.lower() not in ANIMATIONS or not path.is_file():
        return ""
    from PIL import Image

    try:
        with Image.open(path) as picture:
            return str(picture.format) if getattr(picture, "is_animated", False) else ""
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError):
        return ""


def numbered(pattern: Path, number: int) -> Path:
    """The picture of a pattern with this number."""
    return pattern.with_name(_NUMBER.sub(lambda found: _digits(found, number), pattern.name))


def _digits(found: re.Match[str], number: int) -> str:
    return f"{number:0{int(found['digits'] or 1)}d}"


def numbers(pattern: Path) -> list[int]:
    """The numbers that pictures of a pattern have, in order; none where there is no folder. Only
    its own spelling of a number counts: 000.png is none of ``%d.png``."""
    before, after = (re.escape(part) for part in _NUMBER.split(pattern.name)[::2])
    name = re.compile(f"{before}([0-9]+){after}")
    if not pattern.parent.is_dir():
        return []
    found = (name.fullmatch(path.name) for path in pattern.parent.iterdir())
    of = ((int(match[1]), match[0]) for match in found if match)
    return sorted(n for n, spelt in of if numbered(pattern, n).name == spelt)
