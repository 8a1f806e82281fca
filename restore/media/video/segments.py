"""Encoded frames in files of a few seconds each, so that an interrupted job loses little work.

A segment holds the packets that one encoder made of `FRAMES` frames, and the frames' times. Packets
receive their times when all segments exist, see `timed`.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.packet import PacketSideData, packet_sidedata_type_from_literal

from restore.errors import ImageError
from restore.files import atomic_path
from restore.media.video.encoders import Encoding
from restore.media.video.ffmpeg_errors import ffmpeg_errors
from restore.media.video.rgb_frame import converted
from restore.media.video.scheduling import opened
from restore.media.video.stream import Clip

FRAMES = 120
"""Frames per segment. Each starts with a key frame, which costs some size."""
_LENGTH = "<Q"
_PacketSideData: Any = PacketSideData  # its type stubs lack the constructor
_KEPT = ("matroska_block_additional",)  # transparency of VP8 and VP9


@dataclass(frozen=True)
class PacketRecord:
    """One packet of a segment.

    ``frame``: index in the segment of the frame it shows.
    ``size``: bytes of the packet, followed in the file by its side data.
    ``side``: (type, size) of each block of side data.
    """

    frame: int
    size: int
    key: bool
    side: tuple[tuple[str, int], ...] = ()


class SegmentWriter:
    """Encodes the frames of one segment into ``path``, which appears complete or not at all.

    A context manager: leaving it without `save` removes the temporary file.
    """

    def __init__(self, clip: Clip, encoding: Encoding, path: Path):
        self.times: list[tuple[int, int]] = []  # (time stamp, duration) of each frame, in ticks
        self._encoder = opened(encoding.context(clip))
        self._form = encoding.pixel_format
        self._clip, self._path = clip, path
        self._tick = 1 / clip.rate
        self._pieces: list[PacketRecord] = []
        self._digest = hashlib.sha256()
        self._temporary = path.with_suffix(".part")
        self._file = open(self._temporary, "wb")  # noqa: SIM115 - closed on leaving

    def __enter__(self) -> SegmentWriter:
        return self

    def __exit__(self, *error: object) -> None:
        with suppress(OSError):  # on a full disk, closing fails again
            self._file.close()
        self._temporary.unlink(missing_ok=True)

    def add(self, frame: av.VideoFrame) -> None:
        """Encode one frame. Raises `ImageError`, `OSError`."""
        self.times.append((frame.pts or 0, frame.duration))
        if frame.format.name != self._form:
            frame = converted(frame, self._form)
        frame.pict_type = 0  # lets the encoder choose the type
        frame.pts, frame.time_base, frame.duration = len(self.times) - 1, self._tick, 1
        self._take(frame)

    def _take(self, frame: av.VideoFrame | None) -> None:
        with ffmpeg_errors(self._clip.path, "a frame cannot be encoded"):
            packets = self._encoder.encode(frame)
        for packet in packets:
            side_data = [side for side in packet.iter_sidedata() if side.data_type in _KEPT]
            names = tuple((side.data_type, side.data_size) for side in side_data)
            self._pieces.append(
                PacketRecord(int(packet.pts), packet.size, packet.is_keyframe, names)
            )
            for content in (packet, *side_data):
                self._digest.update(bytes(content))
                self._file.write(bytes(content))

    def save(self) -> None:
        """Finish the segment. Raises `ImageError`, `OSError`."""
        self._take(None)
        if sorted(piece.frame for piece in self._pieces) != list(range(len(self.times))):
            raise ImageError(
                f"{self._clip.path}: {self._encoder.name} did not make one packet of each frame"
            )
        contents = {
            "times": self.times,
            "pieces": [list(asdict(piece).values()) for piece in self._pieces],
            "header": (self._encoder.extradata or b"").hex(),
            "sha256": self._digest.hexdigest(),
        }
        text = json.dumps(contents).encode()
        self._file.write(text + struct.pack(_LENGTH, len(text)))
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        os.replace(self._temporary, self._path)


@dataclass(frozen=True)
class Segment:
    """A finished segment.

    ``times``: (time stamp, duration) of each frame, in ticks.
    ``pieces``: its packets, stored from the beginning of the file.
    ``header``: the encoder's extradata.
    """

    path: Path
    times: list[tuple[int, int]]
    pieces: list[PacketRecord]
    header: bytes


def read(path: Path) -> Segment:
    """Read a finished segment. Raises `ImageError` if it is unfinished or damaged."""
    try:
        with open(path, "rb") as file:
            tail = struct.calcsize(_LENGTH)
            end = file.seek(-tail, os.SEEK_END)
            (length,) = struct.unpack(_LENGTH, file.read())
            start = file.seek(end - length)
            contents = json.loads(file.read(length))
            file.seek(0)
            digest, left = hashlib.sha256(), start
            while left:
                chunk = file.read(min(left, 1 << 20))
                digest.update(chunk)
                left -= len(chunk)
        if digest.hexdigest() != contents["sha256"]:
            raise ValueError("its contents have changed")
        pieces = [
            PacketRecord(int(frame), int(size), bool(key), tuple((str(n), int(s)) for n, s in side))
            for frame, size, key, side in contents["pieces"]
        ]
        times = [(int(pts), int(duration)) for pts, duration in contents["times"]]
        return Segment(path, times, pieces, bytes.fromhex(contents["header"]))
    except (OSError, ValueError, KeyError, TypeError, struct.error) as error:
        raise ImageError(f"{path}: is no finished segment: {error}") from error


def timed(segments: Sequence[Segment], tick: Fraction) -> Iterator[av.Packet]:
    """Yield the packets of all segments in decoding order, with the times of their frames.

    A packet is decoded when the frame ``delay`` places earlier is shown, where ``delay`` is the
    encoder's reordering depth. Decoding times therefore increase and never exceed display times.
    The first ``delay`` packets are decoded before the first frame is shown, so early that the total
    decoding time equals the total display time, as MP4 requires.
    """
    times = [time for segment in segments for time in segment.times]
    stamps = [stamp for stamp, _ in times]
    delay = max(i - piece.frame for s in segments for i, piece in enumerate(s.pieces))
    last = len(times) - len(segments[-1].times) + segments[-1].pieces[-1].frame
    lead = sum(times[-1]) - stamps[-1 - delay] - times[last][1]

    def decoded_at(place: int) -> int:
        if place >= delay:
            return stamps[place - delay]
        return stamps[0] - lead + place * (lead // delay)

    done = 0  # packets, and also frames, since each segment holds all packets of its frames
    for segment in segments:
        with open(segment.path, "rb") as file:
            for i, piece in enumerate(segment.pieces, done):
                packet = av.Packet(file.read(piece.size))
                for kind, size in piece.side:
                    packet.set_sidedata(_side(kind, file.read(size)))
                packet.pts, packet.duration = times[done + piece.frame]
                packet.dts = decoded_at(i)
                packet.time_base = tick
                packet.is_keyframe = piece.key
                yield packet
        done += len(segment.times)


def _side(kind: Any, content: bytes) -> Any:
    side = _PacketSideData(packet_sidedata_type_from_literal(kind), len(content))
    side.update(content)
    return side


def save_state(state: dict[str, np.ndarray], path: Path) -> None:
    """Save arrays by name, completely or not at all. Raises `OSError`."""
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, **state)  # type: ignore[arg-type]


def load_state(path: Path) -> dict[str, np.ndarray]:
    """Load arrays saved by `save_state`. Raises `ImageError`."""
    try:
        # Of a damaged file, numpy would leave its own stream open.
        with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ImageError(f"{path}: is no saved state") from error
