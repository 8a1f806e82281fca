"""Writing of the finished clip: the new video stream, and the other streams copied."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error

from restore.errors import ImageError
from restore.media.video import acm_sound, pixel_aspect
from restore.media.video.encoders import Encoding, ticks
from restore.media.video.ffmpeg_errors import ffmpeg_errors
from restore.media.video.other_streams import Carrier, Fate, carry, fate, is_timecode, note, words
from restore.media.video.scheduling import ordinary_scheduling
from restore.media.video.segments import Segment, timed
from restore.media.video.stream import EXACTLY, Clip, opened
from restore.media.video.timeline import Timeline

_BITEXACT = 0x400
"""AVFMT_FLAG_BITEXACT. Its type in PyAV's enumeration depends on the version."""
_OF_THE_FILE = frozenset(("major_brand", "minor_version", "compatible_brands", "encoder"))
_OF_THE_OLD_PACKETS = (
    "encoder",
    "duration",
    "number_of_",
    "bps",
    "_statistics",
    "vendor_id",
    "alpha_mode",
)
_WELL_KNOWN = frozenset(
    (
        *("title", "artist", "album_artist", "composer", "album", "date", "comment", "genre"),
        *("copyright", "grouping", "lyrics", "description", "synopsis", "show", "episode_id"),
        *("network", "keywords", "creation_time", "location", "encoder", "track", "disc"),
    )
)
"""Tags with a field of their own in MP4 and MOV. Others require a list of names and values."""
_LARGEST = (1 << 31) - 1


def of_the_old_file(tag: str, value: str) -> bool:
    """Whether a container's tag describes the old file itself."""
    return tag.lower() in _OF_THE_FILE or value.startswith("Lavf")


def of_the_old_packets(tag: str, value: str) -> bool:
    """Whether a video stream's tag describes its old encoding, or has no meaning."""
    return tag.lower().startswith(_OF_THE_OLD_PACKETS) or value in ("und", "VideoHandler")


def left_out(clip: Clip, encoding: Encoding, name: Path) -> list[str]:
    """Return notes on streams that are left out or changed, and on further video streams, which are
    copied.

    Raises `ImageError` if sound would be left out that is wanted.
    """
    with opened(clip.path) as source:
        return [
            said
            for stream, fate in fates(source, clip, encoding)
            if (said := note(stream, fate, name, encoding.container))
        ]


def fates(source: Any, clip: Clip, encoding: Encoding) -> list[tuple[Any, Fate]]:
    """Return the streams of an opened clip besides its pictures, and what becomes of each."""
    return [
        (stream, fate(stream, source, clip, encoding.container, encoding.audio))
        for stream in source.streams
        if stream.index != clip.stream
    ]


def assemble(
    clip: Clip,
    encoding: Encoding,
    segments: Sequence[Segment],
    path: Path,
    name: Path,
    copy_others: bool,
    until: Fraction | None = None,
) -> None:
    """Write the clip.

    Args:
        path: the file to write; errors call it ``name``.
        copy_others: copy the other streams and tags of ``clip.path`` that the container can hold.
        until: leave out packets of other streams after this time in seconds.

    Raises:
        ImageError: if the clip cannot be written.
    """
    if len({segment.header for segment in segments}) > 1:
        raise ImageError(f"{name}: the segments' headers differ; start again with overwrite=True")
    if not copy_others:
        with _output(encoding, path, name, {}, ()) as output:
            pictures = _pictures(output, clip, encoding, None, name)
            _finish(output, pictures, segments, iter(()), clip, name)
        return  # images have square pixels
    with opened(clip.path) as source:
        times = [stream.time_base for stream in source.streams if stream.time_base]
        metadata = {k: v for k, v in source.metadata.items() if not of_the_old_file(k, v)}
        with _output(encoding, path, name, metadata, times) as output:
            output.set_chapters(_chapters(source, clip))
            others = dict(fates(source, clip, encoding))
            pictures, carried = None, {}
            for stream in source.streams:
                if stream.index == clip.stream:
                    pictures = _pictures(output, clip, encoding, stream, name)
                    _keep_timecode(pictures, source)
                elif others[stream].is_kept:
                    rest = clip, encoding.audio, name
                    carried[stream.index] = carry(output, stream, others[stream], *rest)
            read = [source.streams[i] for i in carried]
            packets = Timeline(clip).demuxed(source, read) if read else iter(())
            copied = _copied(_cut(packets, until), carried)
            _finish(output, pictures, segments, copied, clip, name)
        records = [
            acm_sound.wave_format(stream, clip.path)
            for stream, fate in others.items()
            if fate is Fate.WRAPPED
        ]
    if _needs_room(clip, encoding) and not pixel_aspect.put(path, clip.size, clip.pixel_aspect):
        raise ImageError(f"{name}: the pixel aspect could not be written")
    for record in records:
        if record is None or not acm_sound.put(path, record):
            raise ImageError(f"{name}: cannot hold the format of its sound; use audio='aac'")


def _keep_timecode(pictures: Any, source: Any) -> None:
    """Give the pictures the tag of a time code track, from which the muxer writes one."""
    for stream in source.streams:
        if is_timecode(stream):
            pictures.metadata.setdefault("timecode", stream.metadata["timecode"])


def _cut(packets: Iterator[Any], until: Fraction | None) -> Iterator[Any]:
    """Yield packets until a time; streams may be interleaved by up to a second."""
    for packet in packets:
        time = packet.pts * packet.time_base if packet.pts is not None else Fraction(0)
        if until is not None and time > until + 1:
            return
        if until is None or time <= until:
            yield packet


def _output(
    encoding: Encoding, path: Path, name: Path, metadata: dict[str, str], times: Sequence[Fraction]
) -> Any:
    # Streams may start before zero, as audio with encoder delay does.
    options = {"strict": "experimental", "avoid_negative_ts": "disabled"}
    if encoding.container in ("mp4", "mov"):
        # The time unit of delays between streams: the least common one, if it is valid.
        unit = math.lcm(*(time.denominator for time in times)) if times else 1000
        options["movie_timescale"] = str(unit if 1000 <= unit <= _LARGEST else 1000)
        if not set(map(str.lower, metadata)) <= _WELL_KNOWN:
            options["movflags"] = "use_metadata_tags"
    if encoding.container in ("matroska", "webm"):
        options |= {"default_mode": "passthrough", "write_crc32": "0"}  # see `pixel_aspect`
    with ffmpeg_errors(name, "cannot be written"):
        output: Any = av.open(
            f"file:{path}",
            "w",
            format=encoding.container,
            container_options=options,
            metadata_errors=EXACTLY,
        )
    output.flags |= _BITEXACT  # no creation time, no random numbers
    output.metadata.update(metadata)
    return output


def _pictures(output: Any, clip: Clip, encoding: Encoding, old: Any, file: Path) -> Any:
    """Add the video stream. Its encoder is opened to write the header only."""
    with ffmpeg_errors(file, "its pictures do not fit"):
        stream = output.add_stream(encoding.encoder, rate=clip.rate)
        encoding.context(clip, stream.codec_context)
        stream.time_base = ticks(clip, encoding.container)
        if old is not None:
            stream.disposition = old.disposition
            stream.metadata.update(
                (name, value)
                for name, value in words(old, encoding.container).items()
                if not of_the_old_packets(name, value)
            )
        if _needs_room(clip, encoding):
            stream.metadata["title"] = stream.metadata.get("title", "") + pixel_aspect.ROOM
        if clip.display_matrix and hasattr(stream, "set_display_matrix"):  # PyAV 18
            stream.set_display_matrix(clip.display_matrix)
    return stream


def kept(source: Any, clip: Clip, encoding: Encoding) -> list[Any]:
    """Return the streams of a clip's file that the output holds, in order."""
    others = {stream.index: fate for stream, fate in fates(source, clip, encoding)}
    return [s for s in source.streams if s.index == clip.stream or others[s.index].is_kept]


def _needs_room(clip: Clip, encoding: Encoding) -> bool:
    return clip.pixel_aspect != 1 and encoding.container in ("matroska", "webm")


def _chapters(source: Any, clip: Clip) -> list[Any]:
    """Return the chapters of a file with times relative to the clip's start."""
    chapters = source.chapters()
    for chapter in chapters:
        for name in ("start", "end"):
            chapter[name] = max(0, chapter[name] - clip.origin(chapter["time_base"]))
    return list(chapters)


def _copied(packets: Iterator[Any], carried: dict[int, Carrier | None]) -> Iterator[Any]:
    for packet in packets:
        carrier = carried[packet.stream.index]
        if carrier is not None:
            yield from carrier.packets(packet)
    for carrier in carried.values():
        if carrier is not None:
            yield from carrier.rest()


def _finish(
    output: Any,
    pictures: Any,
    segments: Sequence[Segment],
    others: Iterator[Any],
    clip: Clip,
    name: Path,
) -> None:
    """Write all packets in order of decoding time."""
    with ffmpeg_errors(name, "cannot be put together"):
        with ordinary_scheduling():
            output.start_encoding()
        if (pictures.codec_context.extradata or b"") != segments[0].header:
            raise ImageError(
                f"{name}: the encoder has changed since the run began; start again with "
                "overwrite=True"
            )
        shown = timed(segments, clip.time_base)
        waiting: Any = next(shown, None)
        for packet in others:
            time = packet.dts if packet.dts is not None else packet.pts
            while waiting is not None and time is not None:
                if waiting.dts * waiting.time_base > time * packet.time_base:
                    break
                waiting.stream = pictures
                output.mux_one(waiting)
                waiting = next(shown, None)
            output.mux_one(packet)
        while waiting is not None:
            waiting.stream = pictures
            output.mux_one(waiting)
            waiting = next(shown, None)
        output.close()
