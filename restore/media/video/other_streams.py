"""The streams of a clip besides its pictures: what becomes of each in a container."""

from __future__ import annotations

import io
from collections.abc import Iterator
from enum import Enum
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import av
import av.error

from restore.errors import ImageError
from restore.media.video import acm_sound, encoded_sound, text_subtitles
from restore.media.video.encoded_sound import EncodedSound
from restore.media.video.stream import Clip, is_cover, opened
from restore.media.video.text_subtitles import ConvertedText

_TRIED = 400
"""Packets of a file that are searched for one of a stream whose container is tried."""
_MACINTOSH = {
    **{"deu": "ger", "nld": "dut", "swe": "sve", "ell": "gre", "isl": "ice", "zho": "chi"},
    **{"sqi": "alb", "fre": "fra", "rum": "ron", "cze": "ces", "slo": "slk"},
}
"""Languages with two codes in ISO 639-2: the code FFmpeg accepts in MOV, by the other one."""


class Fate(Enum):
    """The fate of a stream: copied, converted or left out."""

    COPIED = "copied"
    ATTACHED = "attached"
    ENCODED = "encoded"
    CONVERTED = "converted"
    WRAPPED = "copied as a codec of Windows"
    WRITTEN_AGAIN = "written again by the muxer"
    UNWANTED = "left out as asked"
    LOST = "left out"

    @property
    def is_kept(self) -> bool:
        return self not in (Fate.WRITTEN_AGAIN, Fate.UNWANTED, Fate.LOST)


class Carrier(Protocol):
    """Carries the packets of a stream to the output."""

    def packets(self, packet: Any) -> Iterator[Any]: ...

    def rest(self) -> Iterator[Any]: ...


class CopiedPackets:
    """Copies packets unchanged into ``new``."""

    def __init__(self, new: Any):
        self._new = new

    def packets(self, packet: Any) -> Iterator[Any]:
        if packet.dts is None and not packet.size:
            return
        # The MP4 muxer adds empty subtitles between others itself.
        if packet.size != 2 or bytes(packet) != b"\0\0":
            packet.stream = self._new
            yield packet

    def rest(self) -> Iterator[Any]:
        return iter(())


def words(stream: Any, container: str) -> dict[str, str]:
    """Return a stream's tags under the names that a container's muxer accepts."""
    said = dict(stream.metadata)
    if "name" in said and "handler_name" in said:  # FFmpeg's name for a title in MP4 and MOV
        said.setdefault("title", said.pop("name"))
    if container == "mov" and said.get("language") in _MACINTOSH:
        said["language"] = _MACINTOSH[said["language"]]
    elif container != "mov" and said.get("language") == "sve":  # Swedish in MOV only
        said["language"] = "swe"
    return said


def fate(stream: Any, source: Any, clip: Clip, container: str, audio: str) -> Fate:
    """Return what becomes of a stream of ``source``, the opened file of a clip.

    Args:
        audio: "copy", "aac", "opus" or "none".
    """
    if _is_chapters(stream, source) or is_timecode(stream):
        return Fate.WRITTEN_AGAIN
    if stream.type == "audio":
        return _of_sound(stream, clip, container, audio)
    if is_cover(stream) and container == "matroska":
        return Fate.ATTACHED
    if container == "avi" and stream.type != "video":
        return Fate.LOST
    if _fits(stream, container, clip.path):
        return Fate.COPIED
    text = stream.type == "subtitle" and stream.codec_context is not None
    if text and text_subtitles.kind_for(codec_of(stream), container):
        return Fate.CONVERTED
    return Fate.LOST


def _of_sound(stream: Any, clip: Clip, container: str, audio: str) -> Fate:
    if audio == "none":
        return Fate.UNWANTED
    if stream.codec_context is None:
        return Fate.LOST
    if audio in ("copy", codec_of(stream)):
        if _fits(stream, container, clip.path):
            return Fate.COPIED
        if container == "matroska" and acm_sound.wave_format(stream, clip.path):
            return Fate.WRAPPED
    if audio != "copy" and holds_sound(container, audio):
        return Fate.ENCODED
    return Fate.LOST


def holds_sound(container: str, audio: str) -> bool:
    """Whether a container holds sound of "aac" or "opus"."""
    with av.open(io.BytesIO(), "w", format=container) as trial:
        try:
            trial.add_stream(encoded_sound.ENCODERS[audio], rate=48_000)
        except (ValueError, av.error.FFmpegError):
            return False
    return True


def codec_of(stream: Any) -> str:
    """Return FFmpeg's name of a stream's codec, which may differ from the decoder's."""
    if stream.codec_context is None:
        return stream.name or "unknown"
    return str(av.Codec(stream.codec_context.name, "r").canonical_name)


def note(stream: Any, fate: Fate, name: Path, container: str) -> str:
    """Return a note on a stream that is not kept as it is; empty if it is.

    Raises `ImageError` if sound would be left out.
    """
    codec = codec_of(stream)
    what = f"{stream.type} stream {stream.index} ({codec})"
    if fate is Fate.LOST:
        if stream.type == "audio":
            raise ImageError(f"{name}: {name.suffix} cannot hold {what} as it is; {_advice(name)}")
        return f"{name.suffix} cannot hold {what} as it is: left out"
    if fate is Fate.COPIED and stream.type == "video" and not is_cover(stream):
        return f"video stream {stream.index} is copied as it is"
    if fate is Fate.CONVERTED:
        style = ", without its styles" if text_subtitles.loses_style(codec) else ""
        return f"{what} is converted to {text_subtitles.kind_for(codec, container)}{style}"
    if fate is Fate.ENCODED:
        return f"{what} is encoded again"
    return ""


def _advice(name: Path) -> str:
    kinds = [k for k in ("aac", "opus") if holds_sound(_container(name), k)]
    choices = [f"audio='{kind}'" for kind in (*kinds, "none")]
    others = [] if name.suffix.lower() == ".mkv" else ["an .mkv file"]
    return f"use {' or '.join((*choices, *others))}"


def _container(name: Path) -> str:
    from restore.media.video.detect import CONTAINERS

    return CONTAINERS[name.suffix.lower()]


def is_timecode(stream: Any) -> bool:
    """Whether a data track holds a time code, which the muxer writes from a tag of the pictures."""
    return stream.type == "data" and "timecode" in stream.metadata


def _is_chapters(stream: Any, source: Any) -> bool:
    """Whether a track holds the names of chapters in MP4 and MOV. The muxer creates it again."""
    return bool(
        stream.type == "data"
        and "mov" in source.format.name
        and source.chapters()
        and (stream.metadata.get("handler_name") == "SubtitleHandler" or _discarded(stream))
    )


def _discarded(stream: Any) -> bool:
    return getattr(stream, "discard", None) == 48  # AVDISCARD_ALL; PyAV before 17 does not say


def _fits(stream: Any, container: str, path: Path) -> bool:
    """Whether a container holds a stream unchanged, tested by writing a header and the first packet
    to memory."""
    packets = _first_packets(stream, path) if stream.type in ("data", "subtitle") else []
    try:
        options = {"strict": "experimental"}
        trial = av.open(io.BytesIO(), "w", format=container, container_options=options)
        try:
            new = _template(trial, stream)
            new.disposition = stream.disposition
            trial.start_encoding()
            for packet in packets:
                packet.stream = new
                trial.mux_one(packet)
        finally:
            trial.close()
    except (ValueError, av.error.FFmpegError):
        return False
    return True


def _first_packets(stream: Any, path: Path) -> list[Any]:
    with opened(path) as container:
        packets = islice(container.demux(), _TRIED)
        return [p for p in packets if p.size and p.stream.index == stream.index][:1]


def _template(output: Any, stream: Any) -> Any:
    if stream.codec_context is None:
        return output.add_stream_from_template(stream)
    return output.add_stream_from_template(stream, opaque=True)


def carry(
    output: Any, stream: Any, fate: Fate, clip: Clip, audio: str, name: Path
) -> Carrier | None:
    """Add an output stream for a stream that is kept; None if its content is in the header."""
    if fate is Fate.ATTACHED:
        _attach(output, stream, clip)
        return None
    container = output.format.name
    said = words(stream, container)
    if fate is Fate.ENCODED:
        new = encoded_sound.add(output, stream, audio)
    elif fate is Fate.CONVERTED:
        kind = text_subtitles.kind_for(codec_of(stream), container)
        new = output.add_mux_stream(kind, time_base=stream.time_base)
    elif fate is Fate.WRAPPED:
        new = output.add_mux_stream(acm_sound.STAND_IN, rate=stream.codec_context.sample_rate)
        new.time_base = stream.time_base
        said["title"] = said.get("title", "") + acm_sound.ROOM
    else:
        new = _template(output, stream)
    new.disposition = stream.disposition
    new.metadata.update(said)
    if fate is Fate.ENCODED:
        return EncodedSound(stream, new, name)
    if fate is Fate.CONVERTED:
        return ConvertedText(codec_of(stream), new, kind)
    return None if stream.type == "attachment" else CopiedPackets(new)


def _attach(output: Any, stream: Any, clip: Clip) -> None:
    """Store cover art as an attachment of a Matroska file."""
    with opened(clip.path) as again:
        packet = next(again.demux(again.streams[stream.index]))
        kind = "png" if stream.codec_context.name == "png" else "jpeg"
        name = stream.metadata.get("filename", f"cover.{kind.replace('jpeg', 'jpg')}")
        mime = stream.metadata.get("mimetype", f"image/{kind}")
        added = output.add_attachment(name, mime, bytes(packet))
        added.metadata.update(stream.metadata | {"filename": name, "mimetype": mime})
