"""Properties of a clip, found by decoding its first frame."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.sidedata.sidedata import Type

from restore.errors import ImageError
from restore.media.video import detect, interlacing
from restore.media.video.chroma_siting import siting_of
from restore.media.video.decode import decoded
from restore.media.video.pixel_format import layout
from restore.media.video.stream import Clip, Colour, is_cover, main_stream, opened

_HAS_HDR_RECORDS = frozenset(("h264", "hevc", "vvc", "av1", "vp9", "prores"))
"""Codecs whose side data is read. PyAV frees that of a PNG twice."""
_USUAL_RATES = 240
"""A higher stated rate is more often a unit of time than a rate."""
_MEASURED = 120
"""Packets by which a rate is measured if the file states none."""


def probe(path: Path, deinterlace: str = "auto") -> Clip:
    """Return the properties of a clip.

    Args:
        deinterlace: "auto", "off" or "bwdif".

    Raises:
        ImageError: if the file is not a clip, or has no video stream that can be decoded.
    """
    with opened(path) as container:
        _check_moving(container, path)
        stream = main_stream(container, path)
        rate = _rate(stream, path)
        frame = next(decoded(container, stream, path), None)
        if frame is None:
            raise ImageError(f"{path}: its video stream holds no frame that can be decoded")
        with _naming(path):
            layout(frame.format.name)
        context = stream.codec_context
        side = _side_data(frame, context.name)
        matrix = side.get(Type.DISPLAYMATRIX)
        start, end = _start(container, stream), _end(container, stream)
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
            colour=_colour(frame, context),
            siting=siting_of(stream),
            display_matrix=tuple(memoryview(matrix).cast("i")) if matrix else _turn(frame),
            mastering=side.get(Type.MASTERING_DISPLAY_METADATA, b""),
            light=side.get(Type.CONTENT_LIGHT_LEVEL, b""),
            start=start,
            end=end - start if end else end,
            interlaced=interlacing.chosen(path, deinterlace, bool(frame.interlaced_frame)),
            flagged=bool(frame.interlaced_frame),
        )


def stated_frames(path: Path) -> int:
    """Return the number of frames that a file states, or an estimate by its duration. No frame is
    decoded. Raises `ImageError` if it is not a clip."""
    with opened(path) as container:
        stream = main_stream(container, path)
        return int(stream.frames or _estimate(container, stream, _rate(stream, path)))


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    try:
        yield
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from error


def _check_moving(container: Any, path: Path) -> None:
    """Raise `ImageError` for an image. FFmpeg reads one frame of it and less metadata than
    `restore.media.image`."""
    name = container.format.name
    single = name.endswith("_pipe") or name == "image2"
    if single or (name in ("gif", "apng") and not detect.is_animated(path)):
        if detect.is_animated(path):
            raise ImageError(
                f"{path}: this animation format cannot be read as a clip; convert it to an "
                "animated .png first"
            )
        raise ImageError(
            f"{path}: is one picture, not a clip; a clip can be made of numbered pictures, such as "
            "frames/%05d.png"
        )


def _side_data(frame: Any, codec: str) -> dict[Type, bytes]:
    if codec not in _HAS_HDR_RECORDS:
        return {}
    try:
        return {data.type: bytes(data) for data in frame.side_data}
    except ValueError:  # this PyAV lists none if it does not know the type of one
        return {}


def _colour(frame: Any, context: Any) -> Colour:
    """Return the tags of a frame, or those of its container where it has none: a decoder that
    `decode` opens itself knows no container."""
    names = ("color_range", "colorspace", "color_primaries", "color_trc")
    own, around = ([int(getattr(x, name)) for name in names] for x in (frame, context))
    unknown = (0, 2, 2, 2)
    pairs = zip(own, around, unknown, strict=True)
    return Colour(*(b if a == none else a for a, b, none in pairs))


def _turn(frame: Any) -> tuple[int, ...] | None:
    """Compute the display matrix of a rotation; None without rotation."""
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
    """Measure the rate of the first packets; 0 if there are too few."""
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


def _start(container: Any, stream: Any) -> Fraction:
    """Return the earliest time of pictures and sound, in seconds.

    Times of broadcasts count from any moment, and are negative before the 33-bit counter wraps.
    Sound alone is negative because of its encoder's delay: 0 is the start then.
    """
    streams = [s for s in container.streams if s.type in ("audio", "video") and not is_cover(s)]
    times = [s.start_time * s.time_base for s in streams if s.start_time is not None]
    first = min(times, default=Fraction(0))
    own = Fraction(0) if stream.start_time is None else stream.start_time * stream.time_base
    return first if first > 0 or own < 0 else Fraction(0)


def _end(container: Any, stream: Any) -> Fraction:
    """Return the stated end of the video stream in seconds; 0 if the file states none."""
    if stream.duration and container.format.name in ("avi", "mov,mp4,m4a,3gp,3g2,mj2"):
        return ((stream.start_time or 0) + stream.duration) * stream.time_base
    matroska = "matroska" in container.format.name
    said = next((v for k, v in stream.metadata.items() if k.split("-")[0] == "DURATION"), "")
    try:
        hours, minutes, seconds = map(Fraction, said.split(":"))
    except ValueError:
        if not container.duration or len(container.streams) > 1:
            return Fraction(0)  # the duration of the file may be that of its sound
        start = 0 if matroska else container.start_time or 0
        return Fraction(start + container.duration, av.time_base)
    return 3600 * hours + 60 * minutes + seconds
