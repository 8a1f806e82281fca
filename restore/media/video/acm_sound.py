"""Sound in Matroska under the codec ID A_MS/ACM: a codec of Windows with its WAVEFORMATEX.

FFmpeg's muxer writes these streams, but PyAV asks it for a list that lacks them. They are written
as another codec, whose track is changed in the finished file.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

from restore.media.video.matroska_tracks import Parts, change, element

ROOM = "\N{INVISIBLE SEPARATOR}" * 64
"""Appended to the title of the stream: 192 bytes."""
STAND_IN = "mp2"
"""The codec that is written first. The muxer does not look into its packets."""

_TAGS = {
    **{"adpcm_ms": 0x02, "pcm_alaw": 0x06, "pcm_mulaw": 0x07, "wmavoice": 0x0A},
    **{"adpcm_ima_wav": 0x11, "gsm_ms": 0x31, "wmav1": 0x160, "wmav2": 0x161},
    **{"wmapro": 0x162, "wmalossless": 0x163},
}
"""Format tags of WAVEFORMATEX, by FFmpeg's name of the codec."""
_OF_ONE_BYTE = ("pcm_alaw", "pcm_mulaw")
_CODEC, _PRIVATE, _AUDIO, _RATE, _CHANNELS = 0x86, 0x63A2, 0xE1, 0xB5, 0x9F
_SEARCHED = 1 << 20
"""Bytes at the start of a file that hold its headers. ASF, AVI and Matroska store a WAVEFORMATEX
there."""
_LARGEST = 96
"""A longer record does not fit into `ROOM`."""


def wave_format(stream: Any, path: Path) -> bytes | None:
    """Return the WAVEFORMATEX of a sound stream of the file ``path``; None if it has none."""
    context = stream.codec_context
    tag = _TAGS.get(context.name)
    if tag is None:
        return None
    channels, rate, extra = context.channels, context.sample_rate, context.extradata or b""
    if context.name in _OF_ONE_BYTE:
        return struct.pack("<HHIIHHH", tag, channels, rate, rate * channels, channels, 8, 0)
    with open(path, "rb") as file:
        head = file.read(_SEARCHED)
    wanted, place = struct.pack("<HHI", tag, channels, rate), -1
    while (place := head.find(wanted, place + 1)) >= 0:
        record = head[place : place + 18]
        if len(record) < 18 or 18 + len(extra) > _LARGEST:
            return None
        length = struct.unpack_from("<H", record, 16)[0]
        if length == len(extra) and head[place + 18 : place + 18 + length] == extra:
            return record + extra
    return None


def put(path: Path, record: bytes) -> bool:
    """Turn the first track with `ROOM` in its title into one of a WAVEFORMATEX. Returns whether it
    was found."""
    channels, rate = struct.unpack_from("<HI", record, 2)
    audio = element(_RATE, struct.pack(">d", rate)) + element(_CHANNELS, bytes([channels]))

    def of_windows(parts: Parts) -> Parts:
        new = {_CODEC: b"A_MS/ACM", _AUDIO: audio}
        kept = [(kind, new.get(kind, part)) for kind, part in parts if kind != _PRIVATE]
        return [*kept, (_PRIVATE, record)]

    return change(path, ROOM, of_windows)
