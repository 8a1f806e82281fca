"""Which job the arguments of a command or a call mean: a picture, a clip, or a folder of files.

Imports little, so that every command can use it.
"""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path

from restore.media.video import detect

PIPE = Path("-")
"""Standard input or output, where the command line allows it."""


def is_folder_run(sources: Sequence[Path], output: Path) -> bool:
    """Whether ``output`` is a folder of results: there are several inputs, or a folder or a pattern
    of them, or ``output`` is a folder."""
    several = len(sources) > 1 or any(s.is_dir() or is_glob(s) for s in sources)
    return several or output.is_dir()


def is_clip_run(sources: Sequence[Path], target: Path) -> bool:
    """Whether the input or the output is one clip, animation, or sequence of numbered pictures."""
    if len(sources) != 1:
        return False
    (source,) = sources
    if source.is_dir() and not is_clip_target(target):
        return False
    if is_glob(source):
        return False
    if detect.is_clip(source) or detect.is_pattern(source):
        return True
    if is_clip_target(target):
        return source != PIPE
    return not target.is_dir() and is_moving(source, target)


def is_clip_target(target: Path) -> bool:
    """Whether an output is a clip or a pattern of numbered pictures."""
    return detect.is_clip(target) or detect.is_pattern(target)


def is_moving(source: Path, target: Path) -> bool:
    """Whether a file is restored frame by frame: a clip, or an animation whose output can move."""
    if detect.is_clip(source):
        return True
    return detect.can_be_animated(target) and detect.is_animated(source)


def is_glob(source: Path) -> bool:
    """Whether an input is a pattern of files, such as ``photos/*.jpg``."""
    return glob.has_magic(str(source)) and not source.exists()
