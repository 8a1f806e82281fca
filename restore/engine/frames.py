"""Frames one after the other: read ahead, restored together where that is faster, in order."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch

from restore.engine import pixels
from restore.engine.temporal import Steadier
from restore.errors import ImageError, UsageError
from restore.pipe import piped

Frame = TypeVar("Frame", np.ndarray, torch.Tensor)
Together = Callable[[list[np.ndarray]], list[np.ndarray]]
"""Restores pictures of one height and width."""

AHEAD = 4
"""Frames read before they are asked for: enough for a source that hesitates now and then."""


@dataclass(frozen=True)
class _Read:
    """A frame as an array that nobody else writes to, and what makes of a result the kind of frame
    that was given."""

    array: np.ndarray
    back: Callable[[np.ndarray], Any]

    @property
    def size(self) -> tuple[int, int]:
        return self.array.shape[0], self.array.shape[1]


def check_count(name: str, value: object, least: int, of: str = "frames") -> None:
    """Raise `UsageError` for an option that is no whole number, or less than ``least``."""
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole or value < least:  # type: ignore[operator]
        raise UsageError(f"{name} is {value!r}; it is a number of {of}, {least} or more")


def restored_frames(
    frames: Iterable[Frame],
    together: Together,
    batch: Callable[[tuple[int, int]], int],
    steadier: Steadier | None,
    ahead: int,
) -> Iterator[Frame]:
    """What `Restorer.frames` says; ``batch`` is asked how many frames of (height, width) are
    restored together."""
    check_count("ahead", ahead, 0)
    if steadier is not None and not isinstance(steadier, Steadier):
        raise UsageError(f"steady is {steadier!r}; it is True, False or a Steadier")
    # A generator that has failed is at its end: nobody is asked for a frame after an error.
    reads = (_read(number, frame) for number, frame in enumerate(frames))
    return _restored(_ahead(reads, ahead), together, batch, steadier)


def _restored(
    reads: Iterator[_Read],
    together: Together,
    batch: Callable[[tuple[int, int]], int],
    steadier: Steadier | None,
) -> Iterator[Any]:
    for group in _groups(reads, batch):
        results = together([frame.array for frame in group])
        for frame, result in zip(group, results, strict=True):
            # Not before it is asked for: the steadier's state is that after this very frame.
            steadied = steadier(frame.array, result) if steadier else result
            yield frame.back(steadied)


def _ahead(reads: Iterator[_Read], ahead: int) -> Iterator[_Read]:
    """The same, begun for ``ahead`` more than have been asked for, in a thread that ends with the
    iterator."""

    def next_one(source: Iterator[_Read]) -> list[_Read]:
        return list(itertools.islice(source, 1))

    with closing(piped(itertools.repeat(reads), next_one, threads=1, ahead=ahead)) as found:
        for one in found:
            if not one:
                return
            yield one[0]


def _groups(
    reads: Iterator[_Read], batch: Callable[[tuple[int, int]], int]
) -> Iterator[list[_Read]]:
    """Neighbours of one size, as many as ``batch`` says; fewer before another size, an error or the
    end."""
    group: list[_Read] = []
    try:
        for frame in reads:
            if group and frame.size != group[0].size:
                yield group
                group = []
            group.append(frame)
            if len(group) >= batch(frame.size):
                yield group
                group = []
    except Exception:
        if group:
            yield group
        raise
    if group:
        yield group


def _read(number: int, frame: Any) -> _Read:
    try:
        return _from_tensor(frame) if isinstance(frame, torch.Tensor) else _from_array(frame)
    except ImageError as error:
        raise ImageError(f"frame {number}: {error}") from error


def _from_array(array: np.ndarray) -> _Read:
    pixels.check(array)
    # A copy: a source may fill one array again and again.
    return _Read(array.copy(), lambda restored: restored)


def _from_tensor(tensor: torch.Tensor) -> _Read:
    shape, device, dtype = tensor.shape, tensor.device, tensor.dtype
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[0] not in (1, 3)):
        raise ImageError(
            f"expected a tensor 3 x H x W, 1 x H x W or H x W, got shape {tuple(shape)}"
        )
    kept = torch.float32 if tensor.is_floating_point() else dtype
    array = tensor.detach().to("cpu", kept, copy=True).numpy()
    if len(shape) == 3:
        array = array.transpose(1, 2, 0) if shape[0] == 3 else array[0]
    pixels.check(array)

    def back(restored: np.ndarray) -> torch.Tensor:
        planes = restored.transpose(2, 0, 1) if restored.ndim == 3 else restored
        result = torch.from_numpy(np.ascontiguousarray(planes)).reshape(shape)
        return result.to(device, dtype)

    return _Read(array, back)
