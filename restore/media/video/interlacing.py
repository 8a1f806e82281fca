"""Interlaced frames: whether flagged ones are, and deinterlacing by FFmpeg's bwdif.

bwdif makes one frame of the two fields of a frame, so that count and times stay.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import av.error
import numpy as np
from av.filter import Graph

from restore.errors import ImageError
from restore.media.video.pixel_format import layout
from restore.media.video.rgb_frame import planar, planes_of
from restore.media.video.stream import main_stream, opened

if TYPE_CHECKING:
    from restore.media.video.stream import Clip

FLAGGED, ALL, PROGRESSIVE, OFF = "flagged", "all", "progressive", "off"
"""Frames to deinterlace. With `PROGRESSIVE` (found) and `OFF` (said), flagged frames are
progressive and lose their flag."""

_PLACES, _FRAMES = 6, 8
"""Positions in a file, and frames at each, by which it is judged."""
_LEVELS, _ABOVE_NOISE, _MOVES = 12, 4, 0.0005
"""A sample moves if it changes by more than these levels (of 8 bits), and by more than the noise
(the median change) this many times. A frame is judged if this share of it moves."""
_TIMES, _LEAST = 2, 0.002
"""Measured on patterns that move, with noise up to 40 levels: the share of combed samples is 0 to
1.5 times that of a field in progressive frames, and 3 times or more in interlaced ones."""
_ENOUGH = 0.1
"""Share of frames found interlaced by which a clip is."""


def chosen(path: Path, wanted: str, flagged: bool) -> str:
    """Return the frames to deinterlace for ``wanted``: "auto", "off" or "bwdif".

    Args:
        flagged: the first frame is flagged as interlaced. Progressive frames often are: cameras and
            broadcasts store both kinds of frames in the same way.
    """
    if wanted == "auto":
        return PROGRESSIVE if flagged and not _is_interlaced(path) else FLAGGED
    return ALL if wanted == "bwdif" else OFF


def notes(clip: Clip, changed: int) -> tuple[str, ...]:
    """Return a note if ``changed`` frames were deinterlaced, or if flags have been ignored."""
    if clip.interlaced == PROGRESSIVE:
        return (
            "its frames are flagged as interlaced, but are progressive: restored without "
            "deinterlacing; deinterlace='bwdif' deinterlaces them",
        )
    if not changed:
        return ()
    return (f"{changed} frames are interlaced: deinterlaced by bwdif, one frame of two fields",)


def _is_interlaced(path: Path) -> bool:
    """Judge frames at several places; True if nothing moves there."""
    combed = smooth = 0
    with opened(path) as container:
        stream = main_stream(container, path)
        for place in range(_PLACES):
            luma = list(_luma_at(container, stream, Fraction(place, _PLACES)))
            for before, now in pairwise(luma):
                verdict = _is_combed(before, now) if before.shape == now.shape else None
                combed += verdict is True
                smooth += verdict is False
    return combed >= _ENOUGH * (combed + smooth)


def _luma_at(container: Any, stream: Any, part: Fraction) -> Iterator[np.ndarray]:
    """Yield the luma of frames after a part of the duration; none where seeking fails."""
    try:
        if part:
            if not stream.duration:
                return
            start = stream.start_time or 0
            container.seek(start + int(stream.duration * part), stream=stream)
        for frame in islice(container.decode(stream), _FRAMES):
            whole = planar(frame)
            form = layout(whole.format.name)
            yield planes_of(whole, form)[0].astype(np.int32) >> (form.bits - 8)
    except av.error.FFmpegError:
        return


def _is_combed(before: np.ndarray, now: np.ndarray) -> bool | None:
    """Whether what moves in ``now`` is combed; None if nothing moves.

    Args:
        before, now: luma, H x W int32.

    FFmpeg's idet is not used: it takes progressive frames for interlaced ones where something moves
    up or down. A comb in a frame that is absent from both of its fields is none of the texture.
    """
    change = np.abs(now - before)
    limit = max(_LEVELS, _ABOVE_NOISE * float(np.median(change)))
    if (change > limit).mean() < _MOVES:
        return None
    frame = _combed_share(now, change, limit)
    field = max(_combed_share(now[k::2], change[k::2], limit) for k in (0, 1))
    return frame > _TIMES * field + _LEAST


def _combed_share(luma: np.ndarray, change: np.ndarray, limit: float) -> float:
    """Return the share of moving samples that differ equally from the lines above and below, and
    not from the next lines but one."""
    if len(luma) < 5:
        return 0.0
    here, moves = luma[2:-2], change[2:-2] > limit
    above, below, far_above, far_below = luma[1:-3], luma[3:-1], luma[:-4], luma[4:]
    up, down = here - above, here - below
    step = np.minimum(np.abs(up), np.abs(down))
    alike = np.maximum(np.abs(here - far_above), np.abs(here - far_below))
    alike = np.maximum(alike, np.abs(above - below))
    combed = moves & (up * down > 0) & (step > limit) & (3 * alike < step)
    return float(combed.sum() / max(1, moves.sum()))


class Deinterlacer:
    """Deinterlaces the frames of a clip. ``changed``: frames so far that were."""

    def __init__(self, clip: Clip):
        self._clip = clip
        self.changed = 0

    def through(self, frames: Iterable[Any]) -> Iterator[Any]:
        """Yield each frame, deinterlaced or not, with its time stamp and duration."""
        graph: Graph | None = None
        every = self._clip.interlaced == ALL
        waiting: deque[Any] = deque()  # frames in the filter
        for frame in frames:
            flagged = bool(frame.interlaced_frame)
            if graph is None and not flagged and not every:
                yield frame
                continue
            self.changed += every or (flagged and self._clip.interlaced == FLAGGED)
            if graph is None:
                graph = self._graph(planar(frame))
            waiting.append(frame)
            graph.push(planar(frame))
            yield from _pulled(graph, waiting)
        if graph is not None:
            graph.push(None)
            yield from _pulled(graph, waiting)
        if waiting:
            raise ImageError(f"{self._clip.path}: {len(waiting)} frames were lost by bwdif")

    def _graph(self, frame: Any) -> Graph:
        graph = Graph()
        source = graph.add_buffer(template=frame, time_base=self._clip.time_base)
        steps = [graph.add("setfield", "mode=prog")]
        if self._clip.interlaced in (FLAGGED, ALL):
            which = "all" if self._clip.interlaced == ALL else "interlaced"
            steps.insert(0, graph.add("bwdif", f"mode=send_frame:parity=auto:deint={which}"))
        graph.link_nodes(source, *steps, graph.add("buffersink"))
        graph.configure()
        return graph


def _pulled(graph: Graph, waiting: deque[Any]) -> Iterator[Any]:
    while waiting:
        try:
            made: Any = graph.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return
        old = waiting.popleft()
        for name in ("pts", "time_base", "duration", "colorspace", "color_range"):
            setattr(made, name, getattr(old, name))
        yield made
