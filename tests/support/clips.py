"""Clips in files, made and read with PyAV alone, without our own code."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from restore.media.video.scheduling import opened

RATE = 25
TURNED = [0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30]
"""A display matrix: a quarter turn."""


SIZE = 48, 64
"""(height, width) of all pictures, unless another is asked for."""


def scene(number: int, height: int = SIZE[0], width: int = SIZE[1]) -> np.ndarray:
    """The picture with this number, height x width x 3 uint8, of something that moves smoothly."""
    y, x = np.mgrid[:height, :width].astype(np.float64)
    phase = number / 7
    waves = (np.sin(x / 9 + phase), np.cos(y / 7 - phase), np.sin((x + y) / 11 + 2 * phase))
    return np.rint(128 + 90 * np.dstack(waves)).astype(np.uint8)


def frame(
    number: int, pixel_format: str, height: int = SIZE[0], width: int = SIZE[1]
) -> av.VideoFrame:
    """`scene` in a pixel format."""
    picture = av.VideoFrame.from_ndarray(scene(number, height, width), format="rgb24")
    return picture.reformat(format=pixel_format)


def samples(picture: av.VideoFrame) -> list[bytes]:
    """Samples of each plane, without padding."""
    rows = []
    for i, plane in enumerate(picture.planes):
        step = abs(plane.line_size)
        if len(picture.planes) == 1:
            used = plane.width * picture.format.padded_bits_per_pixel // 8
        else:
            used = plane.width * (2 if picture.format.components[0].bits > 8 else 1)
            used *= 2 if len(picture.planes) == 2 and i == 1 else 1  # both chromas in one
        content = bytes(plane)
        rows.append(b"".join(content[y * step : y * step + used] for y in range(plane.height)))
    return rows


@dataclass(frozen=True)
class ClipRecipe:
    """The clip that `make` writes. ``stamps``: times of the frames in units of ``tick``.
    ``sounds``: languages of the sound tracks. ``words``: subtitles: (language, codec)."""

    codec: str = "libx264"
    pixel_format: str = "yuv420p"
    height: int = SIZE[0]
    width: int = SIZE[1]
    stamps: tuple[int, ...] = tuple(range(0, 20 * 512, 512))
    tick: Fraction = Fraction(1, RATE * 512)
    options: dict[str, str] = field(default_factory=dict)
    sounds: tuple[str, ...] = ()
    sound_codec: str = "aac"
    words: tuple[tuple[str, str], ...] = ()
    titles: bool = False  # of the sound tracks
    chapters: tuple[str, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)
    title: str = ""
    turned: bool = False
    aspect: Fraction | None = None
    colour: tuple[int, int, int, int] | None = None  # range, matrix, primaries, transfer
    cover: bytes = b""
    font: bytes = b""
    second: bool = False  # another picture stream
    container: dict[str, str] = field(default_factory=dict)


def make(path: Path, recipe: ClipRecipe = ClipRecipe()) -> Path:
    """Write a clip without our own code."""
    with av.open(str(path), "w", container_options=recipe.container) as output:
        output.metadata.update(recipe.metadata)
        pictures = _pictures(output, recipe)
        others = [_pictures(output, recipe)] if recipe.second else []
        sounds = [_sound(output, language, recipe) for language in recipe.sounds]
        words = [_words(output, *kind) for kind in recipe.words]
        if recipe.chapters:
            output.set_chapters(_chapters(recipe))
        if recipe.font:
            output.add_attachment("font.ttf", "application/x-truetype-font", recipe.font)
        cover = None
        if recipe.cover:
            cover = output.add_mux_stream("mjpeg", width=8, height=8)
            cover.disposition = av.stream.Disposition.attached_pic
        for stream in (pictures, *others):
            for i, stamp in enumerate(recipe.stamps):
                picture = frame(i, recipe.pixel_format, recipe.height, recipe.width)
                picture.pts, picture.time_base = stamp, recipe.tick
                output.mux(stream.encode(picture))
            output.mux(stream.encode(None))
        for number, stream in enumerate(sounds):
            _hum(output, stream, number, float(recipe.stamps[-1] * recipe.tick))
        for stream in words:
            _say(output, stream)
        if cover is not None:
            packet = av.Packet(recipe.cover)
            packet.stream, packet.pts, packet.dts, packet.is_keyframe = cover, 0, 0, True
            packet.time_base = Fraction(1, 90000)
            output.mux(packet)
    return path


def _pictures(output: Any, recipe: ClipRecipe) -> Any:
    stream = output.add_stream(recipe.codec, rate=RATE, options=dict(recipe.options))
    stream.height, stream.width = recipe.height, recipe.width
    stream.pix_fmt = recipe.pixel_format
    context = stream.codec_context
    context.thread_count = 1
    if recipe.codec not in ("mpeg4", "mpeg2video"):
        context.time_base = stream.time_base = recipe.tick
    if recipe.aspect:
        context.sample_aspect_ratio = recipe.aspect
    if recipe.colour:
        names = ("color_range", "colorspace", "color_primaries", "color_trc")
        for name, value in zip(names, recipe.colour, strict=True):
            setattr(context, name, value)
    if recipe.turned:
        stream.set_display_matrix(TURNED)
    if recipe.title:
        stream.metadata["title"] = recipe.title
    opened(context)
    return stream


def _sound(output: Any, language: str, recipe: ClipRecipe) -> Any:
    stream = output.add_stream(recipe.sound_codec, rate=48000)
    stream.metadata["language"] = language
    if recipe.titles:
        stream.metadata["title"] = f"In {language}"
    return stream


def _hum(output: Any, stream: Any, number: int, seconds: float) -> None:
    random = np.random.default_rng(number)
    for i in range(int(seconds * 48000 / 1024) + 1):
        values = random.integers(-999, 999, (1, 2048), np.int16)
        sound = av.AudioFrame.from_ndarray(values, format="s16", layout="stereo")
        sound.sample_rate, sound.pts, sound.time_base = 48000, i * 1024, Fraction(1, 48000)
        output.mux(stream.encode(sound))
    output.mux(stream.encode(None))


def _words(output: Any, language: str, codec: str) -> Any:
    stream = output.add_mux_stream(codec, time_base=Fraction(1, 1000))
    stream.metadata["language"] = language
    return stream


def _say(output: Any, stream: Any) -> None:
    for i in range(2):
        text = f"Word {i}.".encode()
        if output.format.name in ("mp4", "mov"):
            text = len(text).to_bytes(2, "big") + text
        packet = av.Packet(text)
        packet.stream, packet.time_base = stream, Fraction(1, 1000)
        packet.pts = packet.dts = 100 + 300 * i
        packet.duration, packet.is_keyframe = 200, True
        output.mux(packet)


def _chapters(recipe: ClipRecipe) -> list[dict[str, Any]]:
    return [
        {
            "id": i + 1,
            "start": i * 300,
            "end": i * 300 + 300,
            "time_base": Fraction(1, 1000),
            "metadata": {"title": title},
        }
        for i, title in enumerate(recipe.chapters)
    ]


def frames(path: Path, stream: int = 0) -> list[av.VideoFrame]:
    """All pictures of a clip."""
    with av.open(str(path)) as clip:
        return list(clip.decode(video=stream))


def stamps(path: Path) -> list[Fraction]:
    """The times of the pictures, in seconds."""
    return [picture.pts * picture.time_base for picture in frames(path)]


def packets(path: Path, kind: str) -> list[list[tuple[float, bytes]]]:
    """(time in seconds, contents) of all packets of each stream of a kind."""
    with av.open(str(path)) as clip:
        found: dict[int, list[tuple[float, bytes]]] = {
            stream.index: [] for stream in clip.streams if stream.type == kind
        }
        for packet in clip.demux():
            if packet.stream_index in found and packet.size:
                time = float((packet.pts or 0) * packet.time_base)
                found[packet.stream_index].append((round(time, 3), bytes(packet)))
        return list(found.values())
