"""Sizes of the inputs of a run by their headers, to estimate its time."""

from __future__ import annotations

import os
import time
from itertools import islice
from pathlib import Path
from typing import Any

from restore.errors import ImageError
from restore.jobs.job_table import Jobs
from restore.jobs.routing import is_moving
from restore.media import image
from restore.media.video.detect import is_clip

_MOST = 50
"""Files of a folder that are opened."""
_ASKED = 2000
"""Files of a folder whose outputs are looked for."""
_SECONDS = 1.0
"""Limit for opening them: some formats must be decoded to know their size."""
Pair = tuple[int, int]


def sizes_of_jobs(jobs: Jobs, overwrite: bool = False) -> tuple[list[Pair], float]:
    """Look at some of the jobs whose output does not exist, or with ``overwrite`` of all jobs,
    evenly spread.

    Returns (height, width) of each picture and of each frame of a clip that can be read, and how
    many jobs each job looked at stands for.
    """
    some = [*islice(jobs, 0, None, -(-len(jobs) // _ASKED) or 1)]
    left = [job.source for job in some if overwrite or not os.path.lexists(job.target)]
    until = time.monotonic() + _SECONDS
    found: list[Pair] = []
    looked = 0
    for path in left[:: -(-len(left) // _MOST) or 1]:
        looked += 1
        try:
            found += _frames(path)
        except (ImageError, OSError):
            continue  # it will fail in its turn, with the reason
        if time.monotonic() > until:
            break
    return found, len(jobs) / len(some) * len(left) / looked if looked else 0.0


def _frames(path: Path) -> list[Pair]:
    if not is_moving(path, path):
        return [image.size(path)]
    if is_clip(path):
        from restore.media.video.probe import probe

        known = size_and_count(probe(path))
    else:
        known = size_and_count(path)
    return [] if known is None else [known[0]] * known[1]


def size_and_count(source: Any) -> tuple[Pair, int] | None:
    """Return (height, width) of the frames of a `Clip`, animation, pattern or folder, and their
    number; None if the file does not state them."""
    from restore.media.video.stream import Clip

    if isinstance(source, Clip):
        return (source.size, source.frames) if source.frames else None
    try:
        return _of_animation(source) if source.is_file() else _of_numbered(source)
    except ImageError:
        return None  # the run will say why


def _of_animation(path: Path) -> tuple[Pair, int]:
    from PIL import Image

    from restore.media.file_errors import opened

    with opened(path) as stream, Image.open(stream) as file:
        return (file.height, file.width), getattr(file, "n_frames", 1)


def _of_numbered(source: Path) -> tuple[Pair, int]:
    from restore.media.video.numbering import paths

    found = paths(source)
    return image.size(next(iter(found.values()))), len(found)
