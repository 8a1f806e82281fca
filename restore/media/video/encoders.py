"""The encoding of a clip: as the input where possible, visually lossless, unless requested
otherwise."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
from av.codec.context import CodecContext

from restore.errors import ImageError, UsageError
from restore.media.video.chroma_siting import NAMES
from restore.media.video.detect import CONTAINERS, READABLE
from restore.media.video.encoder_choice import choose_pixel_format, keeps_depth, whole_chroma
from restore.media.video.encoder_settings import FAMILIES, QUANTISER, codec_tag, encoder_options
from restore.media.video.ffmpeg_errors import ffmpeg_errors
from restore.media.video.pixel_format import RGB, YUV, layout
from restore.media.video.rgb_frame import FULL_RANGE, LIMITED_RANGE, guessed_matrix
from restore.media.video.scheduling import opened
from restore.media.video.stream import Clip

_ALIASES = {"h265": "hevc", "avc": "h264", "x264": "h264", "x265": "hevc", "jpeg": "mjpeg"}
_USUAL = {"webm": ("vp9", "av1"), "mp4": ("h264",), "mov": ("h264",), "matroska": ("h264",)}
_USUAL_OF_OTHERS = ("h264", "mpeg4")
_BIT_RATE = 200_000
"""FFmpeg's default. Encoders with a fixed quantiser ignore it."""
_THREADS = 4
"""Constant, because the output of an encoder can depend on it."""


@dataclass(frozen=True)
class EncodeOptions:
    """Encoding requested by the user. None keeps the property of the input.

    ``audio``: "copy", "aac", "opus" or "none".
    """

    codec: str | None = None
    crf: float | None = None
    pixel_format: str | None = None
    audio: str = "copy"


@dataclass(frozen=True)
class Encoding:
    """An encoder and all parameters that affect its output.

    ``tag``: four letters by which the container identifies the codec; empty for its default.
    ``audio``: "copy", "aac", "opus" or "none".
    ``notes``: properties of the input that are lost.
    """

    encoder: str
    container: str
    pixel_format: str
    options: Mapping[str, str]
    tag: str = ""
    audio: str = "copy"
    notes: tuple[str, ...] = field(default=(), compare=False)

    def context(self, clip: Clip, context: Any = None) -> Any:
        """Configure an encoder, a new one or the given one. Its time base is one frame."""
        context = context or CodecContext.create(self.encoder, "w")
        context.height, context.width = clip.size
        context.pix_fmt = self.pixel_format
        context.framerate = clip.rate
        context.time_base = 1 / clip.rate
        context.sample_aspect_ratio = clip.pixel_aspect
        context.color_range, context.colorspace = self._range_and_matrix(clip)
        context.color_primaries = clip.colour.primaries
        context.color_trc = clip.colour.transfer
        context.options = dict(self.options)
        if self.encoder in QUANTISER:  # headers state it, and PyAV sets another one in a stream
            context.bit_rate = _BIT_RATE
        context.thread_type = "FRAME"
        context.thread_count = 1 if self.encoder in QUANTISER else _THREADS
        context.flags |= int(av.codec.context.Flags.bitexact)
        if self.container != "avi":
            context.flags |= int(av.codec.context.Flags.global_header)
        if self.tag:
            context.codec_tag = self.tag
        return context

    def _range_and_matrix(self, clip: Clip) -> tuple[int, int]:
        old, new = layout(clip.pixel_format), layout(self.pixel_format)
        if new.kind == RGB:
            return clip.colour.range, 0
        if new.full_range or old.full_range:
            return FULL_RANGE, _yuv_matrix(clip.colour.matrix)
        if old.kind == RGB:  # players could not guess the matrix used
            return LIMITED_RANGE, guessed_matrix(*clip.size)
        return clip.colour.range, _yuv_matrix(clip.colour.matrix)


def _yuv_matrix(matrix: int) -> int:
    """Replace the matrix of RGB by unspecified."""
    return 2 if matrix == 0 else matrix


def choose(clip: Clip, target: Path, asked: EncodeOptions) -> Encoding:
    """Choose the encoding of a clip for a file of ``target``'s suffix.

    Raises `ImageError` if there is no encoder for the clip's codec, or if container or encoder
    cannot hold the clip; `UsageError` for options that do not exist.
    """
    container = _container(target)
    encoders, notes = _fitting(clip, container, target, asked)
    source = layout(clip.pixel_format)
    encoder, pixel_format, lost = choose_pixel_format(clip, source, encoders, asked.pixel_format)
    if lost:
        notes.append(f"{encoder} does not keep {lost}: encoded as {pixel_format}")
    options, missing = encoder_options(encoder, clip, container, asked.crf)
    if clip.siting in NAMES and layout(pixel_format).kind == YUV and source.kind == YUV:
        options["chroma_sample_location"] = NAMES[clip.siting]
    notes.extend(missing)
    tag = codec_tag(encoder, container, clip)
    encoding = Encoding(
        encoder, container, pixel_format, options, tag, asked.audio, notes=tuple(notes)
    )
    _try(encoding, clip, target)
    return encoding


def _container(target: Path) -> str:
    suffix = target.suffix
    if found := CONTAINERS.get(suffix.lower()):
        return found
    known = ", ".join(CONTAINERS)
    if suffix.lower() in READABLE:
        raise ImageError(
            f"{target}: {suffix} can be read, but not written; name an output with one of {known}"
        )
    raise ImageError(f"{target}: unknown kind of clip {suffix!r}; use one of {known}")


def _fitting(
    clip: Clip, container: str, target: Path, asked: EncodeOptions
) -> tuple[tuple[str, ...], list[str]]:
    """Return encoders whose output the container holds, and notes on a changed codec."""
    encoders, notes = _encoders(clip, asked), []
    if asked.codec is None and not any(_holds(container, e) for e in encoders):
        encoders = tuple(
            e
            for usual in _USUAL.get(container, _USUAL_OF_OTHERS)
            for e in _available(usual)
            if _holds(container, e) and e != "libx264rgb"
        )
        if encoders:
            source = layout(clip.pixel_format)
            encoders = tuple(e for e in encoders if keeps_depth(e, source)) or encoders
            notes.append(
                f"{clip.codec} is not written to {target.suffix}: encoded by {encoders[0]}"
            )
    fitting = tuple(e for e in encoders if _holds(container, e))
    if not fitting:
        others = (k for k in (".mkv", ".mov") if any(_holds(CONTAINERS[k], e) for e in encoders))
        use = "".join(f"use {kind}, or " for kind in list(others)[:1])
        raise ImageError(
            f"{target}: {target.suffix} cannot hold {asked.codec or clip.codec}; "
            f"{use}choose another codec"
        )
    return fitting, notes


def _encoders(clip: Clip, asked: EncodeOptions) -> tuple[str, ...]:
    name = asked.codec.lower() if asked.codec else clip.codec
    name = _ALIASES.get(name, name)
    found = _available(name)
    # Few players decode RGB in H.264. It is used only if the input is H.264.
    if name == "h264" and not (clip.container and clip.codec == "h264"):
        found = tuple(encoder for encoder in found if encoder != "libx264rgb")
    if found:
        return found
    if asked.codec:
        raise UsageError(f"codec is {asked.codec!r}; use h264, hevc, vp9, av1, prores, ffv1, ...")
    raise ImageError(
        f"{clip.path}: there is no encoder for {clip.codec} here; "
        "choose another codec, for instance codec='h264'"
    )


def _available(name: str) -> tuple[str, ...]:
    """List the installed encoders of a codec, or the encoder of this name."""
    found = []
    for encoder in FAMILIES.get(name, (name,)):
        try:
            if av.Codec(encoder, "w").type == "video":
                found.append(encoder)
        except (ValueError, av.error.FFmpegError):
            continue
    return tuple(found)


def _holds(container: str, encoder: str) -> bool:
    with av.open(os.devnull, "w", format=container) as output:
        try:
            stream = output.add_stream(encoder, rate=25)
        except (ValueError, av.error.FFmpegError):
            return False
        del stream
    # The MOV muxer accepts these streams and fails at the header.
    return not (container == "mov" and encoder in ("libvpx", "libvpx-vp9", "libsvtav1", "gif"))


def _try(encoding: Encoding, clip: Clip, target: Path) -> None:
    """Open the encoder once, before any work. Raises `ImageError`."""
    os.environ.setdefault("SVT_LOG", "1")  # keeps SVT-AV1 from writing to the terminal
    height, width = clip.size
    trouble = f"{encoding.encoder} cannot encode {width} x {height} {encoding.pixel_format}"
    form = layout(encoding.pixel_format)
    if width % form.across or height % form.down:
        fitting = whole_chroma(encoding.encoder, form)
        other = f"pix_fmt={fitting!r} or another codec" if fitting else "another codec"
        trouble += f"; an odd size may need {other}"
    with ffmpeg_errors(target, trouble):
        opened(encoding.context(clip))


def ticks(clip: Clip, container: str) -> Fraction:
    """Return the time base of the output's video stream, in seconds."""
    return 1 / clip.rate if container == "avi" and clip.container != "avi" else clip.time_base
