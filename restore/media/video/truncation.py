"""Detection of truncated clips: by the length in bytes, before any work, and by the frames decoded,
afterwards."""

from __future__ import annotations

import os
import struct
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from restore.errors import ImageError

if TYPE_CHECKING:
    from restore.media.video.stream import Clip

_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
_SKIPS_DAMAGE = ("matroska", "mpeg", "flv", "asf", "ogg")
"""Containers whose readers skip damaged parts without an error."""
_GAP_FRAMES, _GAP_SECONDS = 8, 0.5
_MISSING = 2.5
"""Frames at the end that may be missing because of rounded times."""


def check_not_truncated(path: Path) -> None:
    """Raise `ImageError` if a Matroska, WebM, AVI, MP4 or MOV file is shorter than it states. Other
    formats do not state their length."""
    there = os.path.getsize(path)
    try:
        with open(path, "rb") as file:
            start = file.read(12)
            file.seek(0)
            if start[:4] == _EBML:
                end = _end_of_segment(file)
            elif start[:4] == b"RIFF" and start[8:] == b"AVI ":
                end = struct.unpack("<I", start[4:8])[0] + 8
            elif start[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
                end = _end_of_boxes(file, there)
            else:
                return
    except OSError as error:
        raise ImageError(f"{path}: cannot be read: {error.strerror}") from error
    except (struct.error, IndexError):
        end = there + 1  # the file ends inside a size field
    # Some writers leave the size 0 or all ones if they cannot seek back.
    if there < end < 0xFFFFFFFF or (there < end and start[:4] != b"RIFF"):
        raise ImageError(
            f"{path}: is cut short: of {end:,} bytes {there:,} are present; "
            "get the whole file, or save the rest with ffmpeg -i IN -c copy OUT"
        )


def _end_of_segment(file: BinaryIO) -> int:
    """Return the end of the Segment after the header; 0 if not stated (RFC 8794, 6)."""
    for expected in (_EBML, _SEGMENT):
        if file.read(4) != expected:
            return 0
        first = file.read(1)[0]
        length = 9 - first.bit_length()
        size = int.from_bytes(bytes([first]) + file.read(length - 1), "big")
        size &= (1 << 7 * length) - 1
        if size == (1 << 7 * length) - 1:
            return 0
        if expected == _EBML:
            file.seek(size, os.SEEK_CUR)
    return file.tell() + size


def _end_of_boxes(file: BinaryIO, there: int) -> int:
    """Return the end of the last box (ISO/IEC 14496-12, 4.2)."""
    place = 0
    while place < there:
        file.seek(place)
        header = file.read(8)
        if len(header) < 8 and not header.strip(b"\0"):
            return there  # padding after the last box
        size = struct.unpack(">I", header[:4])[0]
        if size == 1:
            size = struct.unpack(">Q", file.read(8))[0]
        if size < 8:
            return there  # until the end of the file, or not valid
        place += size
    return place


class GapDetector:
    """Detects missing frames of a clip.

    Missing frames lead to notes, not to errors: stated lengths are often wrong, and the frames
    present have been decoded.
    """

    def __init__(self, clip: Clip):
        self._clip = clip
        self._count = 0
        self._end = Fraction(0)
        self._apart = Fraction(0)
        self._gaps: list[tuple[Fraction, Fraction]] = []

    def see(self, frame: Any) -> None:
        """Take note of a frame returned by `decode.frames`."""
        tick = self._clip.time_base
        self._count += 1
        apart, self._end = frame.duration * tick, (frame.pts + frame.duration) * tick
        if apart > max(_GAP_SECONDS, _GAP_FRAMES / self._clip.rate):
            self._gaps.append((frame.pts * tick, apart))
        else:
            self._apart = apart

    def notes(self) -> list[str]:
        """Return notes on missing frames. Call after the last frame."""
        notes = []
        if self._gaps and any(name in self._clip.container for name in _SKIPS_DAMAGE):
            (start, apart), more = self._gaps[0], len(self._gaps) - 1
            notes.append(
                f"{self._clip.path} has no frames for {float(apart):.2f} s after "
                f"{float(start):.2f} s{f', and {more} gaps more' if more else ''}: "
                "it may be damaged there"
            )
        said = self._clip.end
        if said - self._end > _MISSING * max(1 / self._clip.rate, self._apart):
            notes.append(
                f"{self._clip.path} is damaged or cut short: {self._count} frames, "
                f"{float(self._end):.2f} s of {float(said):.2f} s, could be decoded"
            )
        return notes
