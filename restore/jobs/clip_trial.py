"""The first second of a clip, encoded and joined with every other stream before any frame is
restored.

Muxers refuse some streams only when they are written, and rendering can take days.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

from restore.errors import ImageError
from restore.media.video import decode, segments
from restore.media.video.comparison import differences
from restore.media.video.encoders import Encoding, ticks
from restore.media.video.mux import assemble
from restore.media.video.rgb_frame import planar
from restore.media.video.stream import Clip, opened

_MOST = 60
"""Frames of a trial, at any rate."""


def try_out(clip: Clip, encoding: Encoding, target: Path, work: Path) -> None:
    """Write the first second of a clip as it is into ``work``, read it back, and remove it.

    Raises `ImageError` if the output cannot hold the clip.
    """
    if encoding.container == "avi":
        check_regular(clip, ticks(clip, encoding.container))
    part, whole = work / "trial.first", work / f"trial{target.suffix}"
    try:
        with segments.SegmentWriter(clip, encoding, part) as writer:
            for frame in _first_second(clip):
                writer.add(planar(frame))
            if not writer.times:
                return  # the run says that there are none
            writer.save()
        first = [segments.read(part)]
        end = sum(first[0].times[-1]) * clip.time_base
        assemble(clip, encoding, first, whole, target, copy_others=True, until=end)
        differences(clip, encoding, whole, target, first, copy_others=True)
    finally:
        for path in (part, whole):
            path.unlink(missing_ok=True)


def _first_second(clip: Clip) -> Iterator[Any]:
    """Yield frames of the first second, until one is damaged: the run says where."""
    frames = islice(decode.frames(clip), min(_MOST, math.ceil(clip.rate)))
    with suppress(ImageError):
        yield from frames


def check_regular(clip: Clip, tick: Fraction) -> None:
    """Raise `ImageError` if the times of a clip's packets are not whole numbers of ticks apart."""
    with opened(clip.path) as container:
        stream = container.streams[clip.stream]
        times = [packet.pts for packet in container.demux(stream) if packet.size]
    stamps = sorted(time for time in times if time is not None)
    if len(stamps) < len(times):
        return  # not stated: the frames will show
    for number, stamp in enumerate(stamps):
        check_tick(clip, number, stamp - stamps[0], tick)


def check_tick(clip: Clip, number: int, apart: int, tick: Fraction) -> None:
    """Raise `ImageError` if a frame is not a whole number of ticks after the first one.

    Args:
        number: of the frame.
        apart: time since the first frame, in units of ``clip.time_base``, to which it is rounded.
        tick: seconds.
    """
    count = apart * clip.time_base / tick
    if abs(count - round(count)) * tick > clip.time_base:
        raise ImageError(
            f"{clip.path}: frame {number} does not keep to {float(clip.rate):g} frames a second, "
            "and .avi has no other times; use .mkv or .mp4"
        )
