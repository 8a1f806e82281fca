"""Sound encoded again, for containers that cannot hold it as it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import av
import av.error
from av.filter import Graph

from restore.errors import ImageError

ENCODERS = {"aac": "aac", "opus": "libopus"}
_BITS_PER_CHANNEL = {"aac": 96_000, "opus": 80_000}
"""Bits per second for each channel."""
_LAYOUTS = ("mono", "stereo", "3.0", "4.0", "5.0", "5.1", "6.1", "7.1")
"""By number of channels: the encoders support one for each."""


def add(output: Any, old: Any, codec: str) -> Any:
    """Add a stream that holds the sound of ``old`` as "aac" or "opus". Raises `ValueError` if the
    container does not hold that."""
    name = ENCODERS[codec]
    context = old.codec_context
    rates = av.Codec(name, "w").audio_rates or []
    rate = context.sample_rate if context.sample_rate in rates else 48_000
    stream = output.add_stream(name, rate=rate)
    channels = min(context.layout.nb_channels, len(_LAYOUTS))
    stream.codec_context.layout = _LAYOUTS[channels - 1]
    stream.codec_context.bit_rate = _BITS_PER_CHANNEL[codec] * channels
    return stream


class EncodedSound:
    """Carries a stream of sound into ``new``, of another codec.

    Gaps are filled with silence, so that the sound stays where it belongs.
    """

    def __init__(self, old: Any, new: Any, name: object):
        self._old, self._new, self._name = old, new, name
        self._graph: Graph | None = None
        self._made_for: tuple[str, str, int] = ("", "", 0)

    def packets(self, packet: Any) -> Iterator[Any]:
        """Yield the packets that are complete after this one. Raises `ImageError`."""
        if not packet.size:
            return
        yield from self._encoded(self._decoded(packet))

    def rest(self) -> Iterator[Any]:
        """Yield the remaining packets."""
        yield from self._encoded(self._decoded(None))
        yield from self._encoded([None])
        yield from self._new.encode(None)

    def _decoded(self, packet: Any) -> list[Any]:
        try:
            return list(self._old.codec_context.decode(packet))
        except av.error.InvalidDataError:
            return []  # a damaged packet is a gap, as in players
        except av.error.FFmpegError as error:
            raise ImageError(f"{self._name}: its sound cannot be decoded: {error}") from error

    def _encoded(self, frames: list[Any]) -> Iterator[Any]:
        for frame in frames:
            kind = ("", "", 0) if frame is None else _kind(frame)
            if self._graph is not None and kind != self._made_for:
                self._graph.push(None)  # a broadcast may change its number of channels
                yield from self._pulled(self._graph)
                self._graph = None
            if frame is None:
                continue
            if self._graph is None:
                self._graph, self._made_for = self._filter(frame), kind
            self._graph.push(frame)
            yield from self._pulled(self._graph)

    def _filter(self, frame: Any) -> Graph:
        context = self._new.codec_context
        graph = Graph()
        source = graph.add_abuffer(
            sample_rate=frame.sample_rate,
            format=frame.format.name,
            layout=frame.layout.name,
            time_base=frame.time_base or self._old.time_base,
        )
        steps = [
            graph.add("aresample", f"{context.sample_rate}:async=1"),
            graph.add(
                "aformat",
                f"sample_fmts={context.format.name}:sample_rates={context.sample_rate}:"
                f"channel_layouts={context.layout.name}",
            ),
        ]
        graph.link_nodes(source, *steps, graph.add("abuffersink"))
        graph.configure()
        return graph

    def _pulled(self, graph: Graph) -> Iterator[Any]:
        while True:
            try:
                made = graph.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            yield from self._new.encode(made)


def _kind(frame: Any) -> tuple[str, str, int]:
    return frame.format.name, frame.layout.name, frame.sample_rate
