"""Writing of the finished clip: the new video stream, and the other streams copied."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error

from restore.errors import ImageError
from restore.media.video import pixel_aspect
from restore.media.video.encoders import Encoding, ticks
from restore.media.video.ffmpeg_errors import ffmpeg_errors
from restore.media.video.segments import Segment, timed
from restore.media.video.stream import EXACTLY, Clip, is_cover, opened
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
_MACINTOSH = {
    **{"deu": "ger", "nld": "dut", "swe": "sve", "ell": "gre", "isl": "ice", "zho": "chi"},
    **{"sqi": "alb", "fre": "fra", "rum": "ron", "cze": "ces", "slo": "slk"},
}
"""Languages with two codes in ISO 639-2: the code FFmpeg accepts in MOV, by the other one."""


def of_the_old_file(tag: str, value: str) -> bool:
    """Whether a container's tag describes the old file itself."""
    return tag.lower() in _OF_THE_FILE or value.startswith("Lavf")


def of_the_old_packets(tag: str, value: str) -> bool:
    """Whether a video stream's tag describes its old encoding, or has no meaning."""
    return tag.lower().startswith(_OF_THE_OLD_PACKETS) or value in ("und", "VideoHandler")


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


def left_out(clip: Clip, container: str, name: Path) -> list[str]:
    """Return notes on streams that a container cannot hold, and on further video streams, which
    are copied.

    Raises `ImageError` if an audio stream would be left out.
    """
    notes = []
    with opened(clip.path) as source:
        for stream in source.streams:
            if stream.index == clip.stream or _is_chapters(stream, source):
                continue
            if not _fits(stream, container):
                notes.append(_left_out(stream, name))
            elif stream.type == "video" and not is_cover(stream):
                notes.append(f"video stream {stream.index} is copied as it is")
    return notes


def assemble(
    clip: Clip,
    encoding: Encoding,
    segments: Sequence[Segment],
    path: Path,
    name: Path,
    beside: bool,
) -> None:
    """Write the clip.

    Args:
        path: the file to write; errors call it ``name``.
        beside: copy the other streams and tags of ``clip.path`` that the container can hold.

    Raises:
        ImageError: if the clip cannot be written.
    """
    if len({segment.header for segment in segments}) > 1:
        raise ImageError(f"{name}: the segments' headers differ; start again with overwrite=True")
    if not beside:
        with _output(encoding, path, name, {}, ()) as output:
            pictures = _pictures(output, clip, encoding, None, name)
            _finish(output, pictures, segments, iter(()), clip, name)
        return  # images have square pixels
    with opened(clip.path) as source:
        times = [stream.time_base for stream in source.streams if stream.time_base]
        metadata = {k: v for k, v in source.metadata.items() if not of_the_old_file(k, v)}
        with _output(encoding, path, name, metadata, times) as output:
            output.set_chapters(_chapters(source, clip))
            pictures, carried = None, {}
            for stream in source.streams:
                if stream.index == clip.stream:
                    pictures = _pictures(output, clip, encoding, stream, name)
                elif not _is_chapters(stream, source) and _fits(stream, encoding.container):
                    carried[stream.index] = _carried(output, stream, clip)
            others = [source.streams[i] for i in carried]
            packets = Timeline(clip).demuxed(source, others) if others else iter(())
            _finish(output, pictures, segments, _copied(packets, carried), clip, name)
    if _needs_room(clip, encoding) and not pixel_aspect.put(path, clip.size, clip.pixel_aspect):
        raise ImageError(f"{name}: the pixel aspect could not be written")


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


def kept(source: Any, clip: Clip, container: str) -> list[Any]:
    """Return the streams of a clip's file that a container holds, in order."""
    return [
        stream
        for stream in source.streams
        if stream.index == clip.stream
        or (not _is_chapters(stream, source) and _fits(stream, container))
    ]


def _needs_room(clip: Clip, encoding: Encoding) -> bool:
    return clip.pixel_aspect != 1 and encoding.container in ("matroska", "webm")


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


def _fits(stream: Any, container: str) -> bool:
    """Whether a container holds a stream unchanged, tested by writing a header to memory."""
    if is_cover(stream) and container == "matroska":
        return True
    if container == "avi" and stream.type not in ("audio", "video"):
        return False
    try:
        options = {"strict": "experimental"}
        trial = av.open(io.BytesIO(), "w", format=container, container_options=options)
        try:
            _template(trial, stream).disposition = stream.disposition
            trial.start_encoding()
        finally:
            trial.close()
    except (ValueError, av.error.FFmpegError):
        return False
    return True


def _template(output: Any, stream: Any) -> Any:
    if stream.codec_context is None:
        return output.add_stream_from_template(stream)
    return output.add_stream_from_template(stream, opaque=True)


def _carried(output: Any, stream: Any, clip: Clip) -> Any:
    """Add an output stream for a copied one; None if its content is stored in the header."""
    if is_cover(stream) and output.format.name == "matroska":
        with opened(clip.path) as again:
            packet = next(again.demux(again.streams[stream.index]))
            kind = "png" if stream.codec_context.name == "png" else "jpeg"
            name = stream.metadata.get("filename", f"cover.{kind.replace('jpeg', 'jpg')}")
            mime = stream.metadata.get("mimetype", f"image/{kind}")
            added = output.add_attachment(name, mime, bytes(packet))
            added.metadata.update(stream.metadata | {"filename": name, "mimetype": mime})
            return None
    new = _template(output, stream)
    new.disposition = stream.disposition
    new.metadata.update(words(stream, output.format.name))
    return None if stream.type == "attachment" else new


def _left_out(stream: Any, name: Path) -> str:
    codec = stream.codec_context.name if stream.codec_context else stream.name or "unknown"
    what = f"{stream.type} stream {stream.index} ({codec})"
    if stream.type == "audio":
        raise ImageError(
            f"{name}: {name.suffix} cannot hold {what} as it is; use .mkv, or the input's own kind"
        )
    return f"{name.suffix} cannot hold {what} as it is: left out"


def _chapters(source: Any, clip: Clip) -> list[Any]:
    """Return the chapters of a file with times relative to the clip's start."""
    chapters = source.chapters()
    for chapter in chapters:
        for name in ("start", "end"):
            chapter[name] = max(0, chapter[name] - clip.origin(chapter["time_base"]))
    return list(chapters)


def _copied(packets: Iterator[Any], carried: dict[int, Any]) -> Iterator[Any]:
    for packet in packets:
        new = carried[packet.stream_index] if packet.size or packet.dts is not None else None
        # The MP4 muxer adds empty subtitles between others itself.
        if new is not None and (packet.size != 2 or bytes(packet) != b"\0\0"):
            packet.stream = new
            yield packet


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
