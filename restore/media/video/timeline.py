"""Times of packets, relative to the start of a clip and without jumps.

Recordings of broadcasts and DVDs count from any moment. Where two recordings have been joined, or a
DVD's cell begins, their times jump by up to a day, in either direction.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from restore.media.video.stream import Clip

_JUMPING = ("mpegts", "mpeg")
"""Containers whose times may start again within a file."""
_AHEAD, _BACK = Fraction(10), Fraction(1, 10)
"""Seconds by which a stream's times may go ahead or back. FFmpeg's program has the same limits."""
_ALIKE = Fraction(1)
"""Streams that jump by amounts that differ by less, in seconds, have made the same jump."""


class Timeline:
    """Maps times of packets in a file to times in a clip.

    The result depends on every packet of pictures and sound before, so each reader of a file reads
    all of them: see `demuxed`.
    """

    def __init__(self, clip: Clip):
        self._clip = clip
        self._jumps = clip.container in _JUMPING
        self._latest = Fraction(0)  # seconds added to times since the latest jump
        self._added: dict[int, Fraction] = {}  # of each stream
        self._next: dict[int, Fraction] = {}  # expected decoding time of each stream's next packet
        self._early: dict[int, int] = {}  # ticks by which its latest packet is decoded before shown
        self._last: dict[int, int] = {}  # decoding time of each sound stream's latest packet

    def demuxed(self, container: Any, streams: Sequence[Any]) -> Iterator[Any]:
        """Yield the packets of ``streams`` with times in the clip. The last packet of each stream
        is empty."""
        wanted = {stream.index for stream in streams}
        read = [s for s in container.streams if s.index in wanted or self._counts(s)]
        for packet in container.demux(read):
            self._place(packet)
            if packet.stream.index in wanted and not self._is_heard_twice(packet):
                yield packet

    def _counts(self, stream: Any) -> bool:
        return self._jumps and stream.type in ("audio", "video")

    def _is_heard_twice(self, packet: Any) -> bool:
        """Whether a packet of sound lies before one that has been read: at a jump, the sound of two
        recordings may overlap, and muxers refuse that."""
        if not self._jumps or packet.stream.type != "audio" or packet.dts is None:
            return False
        before = self._last.get(packet.stream_index)
        if before is not None and packet.dts <= before:
            return True
        self._last[packet.stream_index] = packet.dts
        return False

    def _place(self, packet: Any) -> None:
        if self._jumps:
            self._complete(packet)
        time = packet.pts if packet.dts is None else packet.dts
        if time is None:
            return
        shift = self._clip.origin(packet.time_base)
        if self._jumps:
            shift -= round(self._added_to(packet, time * packet.time_base) / packet.time_base)
        packet.pts = None if packet.pts is None else packet.pts - shift
        packet.dts = None if packet.dts is None else packet.dts - shift

    def _complete(self, packet: Any) -> None:
        """Correct the decoding time of the first packet after a jump: FFmpeg computes it from
        packets before the jump."""
        if packet.pts is None or packet.dts is None:
            return
        index, early = packet.stream_index, packet.pts - packet.dts
        if abs(early) * packet.time_base > _AHEAD:
            packet.dts = packet.pts - self._early.get(index, 0)
        else:
            self._early[index] = early

    def _added_to(self, packet: Any, time: Fraction) -> Fraction:
        if not self._counts(packet.stream):
            return self._latest
        index = packet.stream_index
        added = self._added.setdefault(index, self._latest)
        expected = self._next.get(index)
        if expected is not None and not -_BACK <= time + added - expected <= _AHEAD:
            added = expected - time
            if abs(self._latest - added) < _ALIKE:
                added = self._latest  # what lies between the streams stays
            self._added[index] = self._latest = added
        lasting = Fraction(packet.duration or 0) * packet.time_base
        self._next[index] = max(time + added + lasting, expected or time + added)
        return added
