"""Clips through the job, with a restoration that returns what it gets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from restore.jobs.resumable_clip import RestoredClip, settle, write_clip
from restore.media.video.encoders import EncodeOptions


def same(images: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    return (np.clip(image, 0, 1) for image in images)


def never(images: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """For clips that are refused before the first frame is restored."""
    for image in images:
        yield image
        raise AssertionError("a frame was restored")


def through(
    source: Path, target: Path, wishes: EncodeOptions | None = None, **rest: Any
) -> RestoredClip:
    """Write ``target`` with the unchanged pictures of ``source``."""
    restore = rest.pop("restore", same)
    file, encoding = settle(source, target, wishes or EncodeOptions())
    return write_clip(file, target, encoding, restore, rest.pop("key", {}), **rest)
