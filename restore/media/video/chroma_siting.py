"""Positions of chroma samples, by FFmpeg's numbers.

PyAV does not tell them. FFmpeg's Matroska muxer writes them into a header, which is read here.
"""

from __future__ import annotations

import io
from typing import Any

import av
import av.error

from restore.media.video.matroska_tracks import first_track, parts_of

UNKNOWN, LEFT, CENTRE, TOP_LEFT, TOP = range(5)
NAMES = {CENTRE: "center", TOP_LEFT: "topleft", TOP: "top"}
"""FFmpeg's names of positions that encoders do not assume."""

_VIDEO, _COLOUR, _ACROSS, _DOWN = 0xE0, 0x55B0, 0x55B7, 0x55B8
_BY_PLACE = {(1, 2): LEFT, (2, 2): CENTRE, (1, 1): TOP_LEFT, (2, 1): TOP}
"""By Matroska's numbers across and down: 1 is on a luma sample, 2 between two."""


def siting_of(stream: Any) -> int:
    """Return where a video stream's chroma samples lie; `UNKNOWN` if it does not state that."""
    content = io.BytesIO()
    try:
        with av.open(content, "w", format="matroska") as output:
            output.add_stream_from_template(stream, opaque=True)
            output.start_encoding()
            head = content.getvalue()
    except (ValueError, av.error.FFmpegError):
        return UNKNOWN  # a codec that Matroska does not hold
    for kind in (_VIDEO, _COLOUR):
        head = dict(first_track(head) if kind == _VIDEO else parts_of(head)).get(kind, b"")
    place = dict(parts_of(head))
    across, down = (int.from_bytes(place.get(kind, b""), "big") for kind in (_ACROSS, _DOWN))
    return _BY_PLACE.get((across, down), UNKNOWN)
