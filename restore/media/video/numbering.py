"""Numbered images: gaps in their numbers, and patterns for those of a folder."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from restore.errors import ImageError
from restore.media.folder import pictures
from restore.media.formats import SUFFIXES
from restore.media.video.detect import is_clip, is_pattern, numbered, numbers

_LAST_NUMBER = re.compile(r"(.*?)([0-9]+)([^0-9]*)")


def paths(source: Path) -> dict[int, Path]:
    """Return the images of a pattern by number, or those of a folder numbered from 1, in order.
    Raises `ImageError` if there are none."""
    if not is_pattern(source):
        return dict(enumerate(pictures(source), 1))
    if is_clip(source):
        raise ImageError(
            f"{source}: is a pattern of clips, but only images are numbered; for clips, name their "
            f"folder {source.parent} and a folder of results"
        )
    if source.suffix.lower() not in SUFFIXES:
        raise ImageError(
            f"{source}: {source.suffix or 'a name without an ending'} is no image format; use a "
            f"pattern such as {suggested(source.parent) or 'frames/%05d.png'}"
        )
    found = {number: numbered(source, number) for number in numbers(source)}
    if not found:
        raise ImageError(f"{source}: {_why_none(source)}")
    return found


def _why_none(source: Path) -> str:
    if not source.parent.is_dir():
        return f"folder {source.parent} does not exist"
    pattern = suggested(source.parent)
    if pattern is None:
        return f"no images of this pattern; {source.parent} holds no numbered images"
    count = len(numbers(pattern))
    return f"no images of this pattern; use {pattern}, which has {count}"


def suggested(folder: Path) -> Path | None:
    """Return the pattern of most numbered images in a folder; None if there are none."""
    if not folder.is_dir():
        return None
    counted: Counter[str] = Counter()
    for path in sorted(folder.iterdir()):
        match = _LAST_NUMBER.fullmatch(path.stem)
        if match is None or "%" in path.name or path.suffix.lower() not in SUFFIXES:
            continue
        before, digits, after = match.groups()
        counted.update({f"{before}{kind}{after}{path.suffix}" for kind in _kinds(digits)})
    return folder / counted.most_common(1)[0][0] if counted else None


def _kinds(digits: str) -> Iterable[str]:
    """Yield the ways to spell a number that give these digits: padded, if they may be."""
    if len(digits) < 10 and (len(digits) > 1 or digits == "0"):
        yield f"%0{len(digits)}d"
    if not digits.startswith("0") or digits == "0":
        yield "%d"


def check_no_gaps(pattern: Path, found: Iterable[int], allowed: bool) -> tuple[str, ...]:
    """Return notes on missing numbers between the first and the last.

    Raises `ImageError` if there are any that are not ``allowed``.
    """
    pairs = [(a, b) for a, b in itertools.pairwise(found) if b - a > 1]
    if not pairs:
        return ()
    before, after = pairs[0]
    missing = sum(b - a - 1 for a, b in pairs)
    names = [numbered(pattern, number).name for number in (before + 1, before, after)]
    more = f" and {missing - 1} more are" if missing > 1 else " is"
    if allowed:
        return (f"{pattern}: {names[0]}{more} missing: left out",)
    raise ImageError(
        f"{pattern}: {names[0]}{more} missing: {names[2]} follows {names[1]}; add "
        "the missing images, or leave them out with allow_gaps=True"
    )
