"""What a clip is: its picture stream, what travels with it, and its frames."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
from av.sidedata.sidedata import Type

from restore.errors import ImageError
from restore.media.video import kinds
from restore.media.video.explain import explained
from restore.media.video.layout import layout
from restore.media.video.whole import check_whole

# What FFmpeg has to say comes as errors. PyAV's own listener would wait for the interpreter while
# the interpreter, closing a damaged file, waits for the threads that talk.
av.logging.restore_default_callback()
av.logging.set_libav_level(av.logging.PANIC)

EXACTLY = "surrogateescape"
"""How words in containers are read and written, so that any bytes come out as they went in."""
_GENERATE_TIMES = 0x1
"""AVFMT_FLAG_GENPTS."""
_PICTURE_BESIDES = ("attached_pic", "timed_thumbnails", "still_image")
_SPEAKS_OF_LIGHT = frozenset(("h264", "hevc", "vvc", "av1", "vp9", "prores"))
"""Codecs of which a frame's records are looked at. PyAV frees those of a PNG twice."""
_USUAL_RATES = 240
"""A higher one is more often a unit of time than a rate."""
_MEASURED = 120
"""Packets by which a rate is found that the file does not say."""


@dataclass(frozen=True)
class Colour:
    """H.273's numbers as FFmpeg has them, 0 or 2 for what is not said."""

    range: int = 0
    matrix: int = 2
    primaries: int = 2
    transfer: int = 2


@dataclass(frozen=True)
class Clip:
    """The picture stream of ``path``: number ``stream`` in it.

    ``size`` is (height, width) in samples, before ``display_matrix`` (nine integers of FFmpeg's
    layout, turning and flipping) is applied by the player; ``time_base`` is a tick in seconds;
    ``rate`` frames a second, on average; ``frames`` how many there are, or 0 where the file does
    not say; ``mastering`` and ``light`` are FFmpeg's records of HDR, as bytes; ``end`` is the time
    in seconds at which the file says that its pictures end, or 0.
    """

    path: Path
    container: str
    stream: int
    codec: str
    codec_tag: str
    size: tuple[int, int]
    pixel_format: str
    time_base: Fraction
    rate: Fraction
    frames: int
    pixel_aspect: Fraction = Fraction(1)
    colour: Colour = Colour()
    display_matrix: tuple[int, ...] | None = None
    mastering: bytes = b""
    light: bytes = b""
    end: Fraction = Fraction(0)


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """The container of a file, for reading. Raises `ImageError` in one line."""
    if path.is_dir():
        raise ImageError(f"{path}: is a folder, not a clip")
    if not path.exists():
        raise ImageError(f"{path}: no such file")
    if os.path.getsize(path) == 0:
        raise ImageError(f"{path}: is empty")
    check_whole(path)
    with explained(path, "not a clip that can be read"):
        # What a file refers to stays unread, but for other files.
        container: Any = av.open(
            f"file:{path}",
            container_options={"protocol_whitelist": "file"},
            metadata_errors=EXACTLY,
        )
    if container.format.name == "avi":
        # AVI has no times but the order of frames; those that FFmpeg would make up begin too late.
        container.flags &= ~_GENERATE_TIMES
    with container:
        yield container


def probe(path: Path) -> Clip:
    """Look at a clip and decode its first frame. Raises `ImageError` where it is none, has no
    picture stream or one that cannot be decoded here, or is interlaced."""
    with opened(path) as container:
        _check_moving(container, path)
        stream = main_stream(container, path)
        rate = _rate(stream, path)
        frame = next(_decode(container, stream, path), None)
        if frame is None:
            raise ImageError(f"{path}: its picture stream holds no frame that can be decoded")
        if frame.interlaced_frame:
            raise ImageError(
                f"{path}: is interlaced; deinterlace it first, say with ffmpeg -vf bwdif"
            )
        with _naming(path):
            layout(frame.format.name)
        context = stream.codec_context
        side = _side_data(frame, context.name)
        matrix = side.get(Type.DISPLAYMATRIX)
        return Clip(
            path=path,
            container=container.format.name,
            stream=stream.index,
            codec=av.Codec(context.name, "r").canonical_name,
            codec_tag=context.codec_tag,
            size=(frame.height, frame.width),
            pixel_format=frame.format.name,
            time_base=stream.time_base,
            rate=rate,
            frames=stream.frames or _estimate(container, stream, rate),
            pixel_aspect=stream.sample_aspect_ratio or Fraction(1),
            colour=Colour(
                int(frame.color_range),
                int(frame.colorspace),
                int(frame.color_primaries),
                int(frame.color_trc),
            ),
            display_matrix=tuple(memoryview(matrix).cast("i")) if matrix else _turn(frame),
            mastering=side.get(Type.MASTERING_DISPLAY_METADATA, b""),
            light=side.get(Type.CONTENT_LIGHT_LEVEL, b""),
            end=_end(container, stream),
        )


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    try:
        yield
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from error


def _check_moving(container: Any, path: Path) -> None:
    """Raise `ImageError` for a picture: FFmpeg's readers of pictures see one frame and know less
    of it than our own."""
    name = container.format.name
    single = name.endswith("_pipe") or name == "image2"
    if single or (name in ("gif", "apng") and not kinds.is_animated(path)):
        if kinds.is_animated(path):
            raise ImageError(
                f"{path}: this kind of animation cannot be read as a clip; make an "
                "animated .png of it first, which can"
            )
        raise ImageError(
            f"{path}: is one picture, not a clip; of several, numbered like frames/%05d.png, a "
            "clip can be made"
        )


def main_stream(container: Any, path: Path) -> Any:
    """The first stream of moving pictures: cover art is none. Raises `ImageError`."""
    for stream in container.streams.video:
        disposition = stream.disposition
        if not any(disposition & type(disposition)[name] for name in _PICTURE_BESIDES):
            if stream.codec_context is None:
                raise ImageError(f"{path}: its picture stream cannot be decoded here")
            return stream
    raise ImageError(f"{path}: has no video stream")


def _side_data(frame: Any, codec: str) -> dict[Type, bytes]:
    if codec not in _SPEAKS_OF_LIGHT:
        return {}
    try:
        return {data.type: bytes(data) for data in frame.side_data}
    except ValueError:  # one of a kind that this PyAV does not know hides all of them
        return {}


def _turn(frame: Any) -> tuple[int, ...] | None:
    """The display matrix of a turn, made anew where only the angle is at hand."""
    if not frame.rotation:
        return None
    angle = math.radians(-frame.rotation)
    cosine, sine = (round((1 << 16) * value) for value in (math.cos(angle), math.sin(angle)))
    return (cosine, sine, 0, -sine, cosine, 0, 0, 0, 1 << 30)


def _rate(stream: Any, path: Path) -> Fraction:
    said = stream.average_rate
    if said and 0 < said <= _USUAL_RATES:
        return Fraction(said)
    measured = _measured(stream.index, path)
    for rate in (said, stream.base_rate, stream.guessed_rate):
        if rate and measured and abs(rate / measured - 1) < 0.02:
            return Fraction(rate)
    return measured or Fraction(25)


def _measured(index: int, path: Path) -> Fraction:
    """The rate of the first packets; 0 where there are too few."""
    times: list[Fraction] = []
    with opened(path) as container:
        for packet in container.demux(container.streams[index]):
            if packet.pts is not None:
                times.append(packet.pts * packet.time_base)
            if len(times) == _MEASURED:
                break
    span = max(times) - min(times) if times else Fraction(0)
    return ((len(times) - 1) / span).limit_denominator(1001) if span else Fraction(0)


def _estimate(container: Any, stream: Any, rate: Fraction) -> int:
    if stream.duration:
        return round(stream.duration * stream.time_base * rate)
    return round(Fraction(container.duration or 0, av.time_base) * rate)


def _end(container: Any, stream: Any) -> Fraction:
    """When the pictures end, in seconds, as the file says; 0 where it does not."""
    if stream.duration and container.format.name in ("avi", "mov,mp4,m4a,3gp,3g2,mj2"):
        return ((stream.start_time or 0) + stream.duration) * stream.time_base
    matroska = "matroska" in container.format.name
    said = next((v for k, v in stream.metadata.items() if k.split("-")[0] == "DURATION"), "")
    try:
        hours, minutes, seconds = map(Fraction, said.split(":"))
    except ValueError:
        if not container.duration or len(container.streams) > 1:
            return Fraction(0)  # what is said of the whole may be said of the sound
        start = 0 if matroska else container.start_time or 0
        return Fraction(start + container.duration, av.time_base)
    return 3600 * hours + 60 * minutes + seconds


def frames(clip: Clip) -> Iterator[av.VideoFrame]:
    """Every frame of a clip, in order, each with a time stamp later than the one before, and with
    the time until the next one as its duration.

    Raises `ImageError`, saying after which frame, where the file breaks off or cannot be decoded,
    and where the size or the pixel format changes.
    """
    with opened(clip.path) as container:
        stream = container.streams[clip.stream]
        usual = max(1, round(1 / (clip.rate * clip.time_base)))
        before: Any = None  # the frame that waits to know how long it is shown
        frame: Any
        apart = usual
        for count, frame in enumerate(_decode(container, stream, clip.path)):
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
            said = before.duration if stream.average_rate else 0  # else FFmpeg has made it up
            before.duration = _rest(container, stream, before.pts) or said or apart
            yield before


def _rest(container: Any, stream: Any, last: int) -> int:
    """How long MP4 and MOV show the last frame, in ticks; 0 where it cannot be known. The duration
    with a frame itself is the time between two frames in the order of decoding."""
    if "mov" not in container.format.name or not stream.duration or not container.duration:
        return 0
    end_of_all = (container.start_time or 0) + container.duration + 1  # rounded to microseconds
    whole = int(Fraction(end_of_all, av.time_base) / stream.time_base)
    end = min((stream.start_time or 0) + stream.duration, whole)
    return max(0, end - last)


def _described(height: int, width: int, pixel_format: str) -> str:
    return f"{width} x {height} {pixel_format}"


def _decode(container: Any, stream: Any, path: Path) -> Iterator[av.VideoFrame]:
    """Frames as they come. What cannot be decoded before the first one is passed over, as players
    do: many recordings begin in the middle of something."""
    stream.thread_type = "AUTO"
    decode = _decoder(stream)
    count, end = 0, 0.0

    def broken(reason: str) -> ImageError:
        place = f"after frame {count} ({end:.2f} s)" if count else "at its beginning"
        return ImageError(
            f"{path}: damaged {place}: {reason}; get the whole file, or cut it there first"
        )

    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
            if packet is None:
                return
            decoded = decode(packet)
        except av.error.FFmpegError as error:
            if isinstance(error, av.error.InvalidDataError) and not count and packet is not None:
                continue
            raise broken(error.strerror or "unreadable") from error
        for frame in decoded:
            count, end = count + 1, frame.time if frame.time is not None else end
            yield frame


def _decoder(stream: Any) -> Any:
    """What makes frames of a packet, and of the empty one at the end all that remain. FFmpeg's own
    decoders of VP8 and VP9 do not see transparency, which stands beside the packets."""
    name = {"vp8": "libvpx", "vp9": "libvpx-vp9"}.get(stream.codec_context.name)
    said = {tag.lower(): value for tag, value in stream.metadata.items()}
    if name is None or said.get("alpha_mode") != "1":
        return stream.decode
    try:
        context: Any = av.CodecContext.create(name, "r")
    except ValueError:  # an FFmpeg without it
        return stream.decode
    context.thread_count = 1
    return lambda packet: context.decode(packet if packet.size else None)
