"""Decoding of the frames of a clip."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error

from restore.errors import ImageError
from restore.media.video.interlacing import Deinterlacer
from restore.media.video.stream import Clip, opened
from restore.media.video.timeline import Timeline


def frames(clip: Clip, deinterlacer: Deinterlacer | None = None) -> Iterator[av.VideoFrame]:
    """Yield every frame of a clip in order of display, deinterlaced if ``clip`` says so.

    Time stamps increase strictly; the duration of a frame is the time until the next one.

    Raises `ImageError` naming the last good frame if the file ends early or cannot be decoded, and
    if the size or the pixel format changes.
    """
    yield from (deinterlacer or Deinterlacer(clip)).through(_as_stored(clip))


def _as_stored(clip: Clip) -> Iterator[av.VideoFrame]:
    with opened(clip.path) as container:
        stream = container.streams[clip.stream]
        usual = max(1, round(1 / (clip.rate * clip.time_base)))
        before: Any = None  # the previous frame, until its duration is known
        frame: Any
        apart = usual
        for count, frame in enumerate(decoded(container, stream, clip.path, Timeline(clip))):
            if (frame.height, frame.width) != clip.size or frame.format.name != clip.pixel_format:
                seconds = float((before.pts + before.duration) * clip.time_base) if before else 0
                raise ImageError(
                    f"{clip.path}: changes at frame {count} ({seconds:.2f} s) from "
                    f"{_described(*clip.size, clip.pixel_format)} to "
                    f"{_described(frame.height, frame.width, frame.format.name)}; "
                    "split it there, a stream has one size"
                )
            if frame.pts is None:
                frame.pts = frame.dts
            if frame.pts is None or (before is not None and frame.pts <= before.pts):
                frame.pts = 0 if before is None else before.pts + (before.duration or usual)
            frame.time_base = clip.time_base
            if before is not None:
                before.duration = apart = frame.pts - before.pts
                yield before
            before = frame
        if before is not None:
            said = before.duration if stream.average_rate else 0  # otherwise FFmpeg has guessed it
            last = before.pts + clip.origin(clip.time_base)
            before.duration = _rest(container, stream, last) or said or apart
            yield before


def _rest(container: Any, stream: Any, last: int) -> int:
    """Return the display time of the last frame in MP4 and MOV, in ticks; 0 if unknown.

    The duration stored with a frame is the time between two frames in decoding order.
    """
    if "mov" not in container.format.name or not stream.duration or not container.duration:
        return 0
    end_of_all = (container.start_time or 0) + container.duration + 1  # rounded to microseconds
    whole = int(Fraction(end_of_all, av.time_base) / stream.time_base)
    end = min((stream.start_time or 0) + stream.duration, whole)
    return max(0, end - last)


def _described(height: int, width: int, pixel_format: str) -> str:
    return f"{width} x {height} {pixel_format}"


def decoded(
    container: Any, stream: Any, path: Path, timeline: Timeline | None = None
) -> Iterator[av.VideoFrame]:
    """Yield frames as the decoder returns them, with times of the file, or of ``timeline``.

    Packets before the first frame that cannot be decoded are skipped, as players do: many
    recordings start between key frames. Raises `ImageError` for later ones.
    """
    stream.thread_type = "AUTO"
    decode = _decoder(stream)
    count, end = 0, 0.0

    def broken(reason: str) -> ImageError:
        place = f"after frame {count} ({end:.2f} s)" if count else "at its beginning"
        return ImageError(
            f"{path}: damaged {place}: {reason}; get the whole file, or cut it there first"
        )

    packets = timeline.demuxed(container, [stream]) if timeline else container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
            if packet is None:
                return
            made = decode(packet)
        except av.error.FFmpegError as error:
            if isinstance(error, av.error.InvalidDataError) and not count and packet is not None:
                continue
            raise broken(error.strerror or "unreadable") from error
        for frame in made:
            count, end = count + 1, frame.time if frame.time is not None else end
            yield frame


def _decoder(stream: Any) -> Any:
    """Return a function that decodes a packet; an empty one at the end returns all frames left.

    FFmpeg's own decoders of VP8 and VP9 ignore transparency, which is side data of packets.
    """
    name = {"vp8": "libvpx", "vp9": "libvpx-vp9"}.get(stream.codec_context.name)
    said = {tag.lower(): value for tag, value in stream.metadata.items()}
    if name is None or said.get("alpha_mode") != "1":
        return stream.decode
    try:
        context: Any = av.CodecContext.create(name, "r")
    except ValueError:  # this FFmpeg lacks it
        return stream.decode
    context.thread_count = 1
    return lambda packet: context.decode(packet if packet.size else None)
