"""How a clip is encoded: as it was, as far as there is an encoder and the container takes it, and
so that nobody sees the difference, unless told otherwise."""

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
from restore.media.video import hdr
from restore.media.video.clip import Clip
from restore.media.video.explain import explained
from restore.media.video.frames import FULL_RANGE, LIMITED_RANGE, guessed_matrix
from restore.media.video.kinds import CONTAINERS, READABLE
from restore.media.video.layout import RGB, YUV, Layout, layout

_FAMILIES = {
    "h264": ("libx264", "libx264rgb"),
    "hevc": ("libx265",),
    "vp8": ("libvpx",),
    "vp9": ("libvpx-vp9",),
    "av1": ("libsvtav1",),
    "prores": ("prores_ks",),
}
_ALIASES = {"h265": "hevc", "avc": "h264", "x264": "h264", "x265": "hevc", "jpeg": "mjpeg"}
_USUAL = {"webm": ("vp9", "av1"), "mp4": ("h264",), "mov": ("h264",), "matroska": ("h264",)}
_USUAL_OF_OTHERS = ("h264", "mpeg4")

# With its tree of macroblocks x264 makes other bytes each time, on some processors and where the
# width is no multiple of 128; so does x265 with its own.
_X264 = {"preset": "medium", "x264-params": "mbtree=0"}
_QUALITY: dict[str, tuple[str, int, int, dict[str, str]]] = {
    # encoder: (option of the quality, what nobody can tell from the original, the worst, the rest)
    "libx264": ("crf", 14, 51, _X264),
    "libx264rgb": ("crf", 14, 51, _X264),
    "libx265": ("crf", 16, 51, {"preset": "medium"}),
    "libvpx": ("crf", 8, 63, {"b": "100M", "qmin": "0", "deadline": "good", "cpu-used": "2"}),
    "libvpx-vp9": ("crf", 20, 63, {"b": "0", "deadline": "good", "cpu-used": "2"}),
    "libsvtav1": ("crf", 18, 63, {"preset": "6"}),
}
_QUANTISER = frozenset(
    (
        *("mpeg4", "mpeg2video", "mpeg1video", "mjpeg", "msmpeg4", "msmpeg4v2", "msmpeg4v3"),
        *("wmv1", "wmv2", "flv", "h263", "h263p"),
    )
)
_FINEST_QUANTISER, _COARSEST_QUANTISER = 2, 31
_PRORES = {"apco": 0, "apcs": 1, "apcn": 2, "apch": 3, "ap4h": 4, "ap4x": 5}
_THREADS = 4
"""Always as many: what an encoder makes may depend on it."""


@dataclass(frozen=True)
class Wishes:
    """What a user asks for; None is as the clip has it."""

    codec: str | None = None
    crf: float | None = None
    pixel_format: str | None = None


@dataclass(frozen=True)
class Encoding:
    """An encoder and all that decides about its bytes. ``notes`` say what the output cannot keep;
    ``tag`` is the four letters by which containers know the codec, where they matter."""

    encoder: str
    container: str
    pixel_format: str
    options: Mapping[str, str]
    tag: str = ""
    notes: tuple[str, ...] = field(default=(), compare=False)

    def context(self, clip: Clip, context: Any = None) -> Any:
        """An encoder ready to be opened, or the given one made ready. Its ticks are frames."""
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
        context.thread_type = "FRAME"
        context.thread_count = 1 if self.encoder in _QUANTISER else _THREADS
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
            return FULL_RANGE, _said(clip.colour.matrix)
        if old.kind == RGB:  # nobody could guess what has been taken
            return LIMITED_RANGE, guessed_matrix(*clip.size)
        return clip.colour.range, _said(clip.colour.matrix)


def _said(matrix: int) -> int:
    return 2 if matrix == 0 else matrix


def choose(clip: Clip, target: Path, wishes: Wishes) -> Encoding:
    """The encoding of a clip for a file of ``target``'s suffix.

    Raises `ImageError` where there is no encoder for the clip's codec, or the container or the
    encoder cannot hold what the clip holds; `UsageError` for wishes that do not exist.
    """
    try:
        container = CONTAINERS[target.suffix.lower()]
    except KeyError:
        known = ", ".join(CONTAINERS)
        if target.suffix.lower() in READABLE:
            raise ImageError(
                f"{target}: {target.suffix} can be read, but not written; name an output with one "
                f"of {known}"
            ) from None
        raise ImageError(
            f"{target}: unknown kind of clip {target.suffix!r}; use one of {known}"
        ) from None
    source, notes = layout(clip.pixel_format), []
    encoders = _encoders(clip, container, wishes)
    if wishes.codec is None and not any(_holds(container, e) for e in encoders):
        family = clip.codec
        encoders = tuple(
            e
            for usual in _USUAL.get(container, _USUAL_OF_OTHERS)
            for e in _available(usual)
            if _holds(container, e) and e != "libx264rgb"
        )
        if encoders:
            encoders = tuple(e for e in encoders if _keeps_depth(e, source)) or encoders
            notes.append(f"{target.suffix} cannot hold {family}: encoded by {encoders[0]}")
    fitting = tuple(e for e in encoders if _holds(container, e))
    if not fitting:
        others = (k for k in (".mkv", ".mov") if any(_holds(CONTAINERS[k], e) for e in encoders))
        use = "".join(f"use {kind}, or " for kind in list(others)[:1])
        raise ImageError(
            f"{target}: {target.suffix} cannot hold {wishes.codec or clip.codec}; "
            f"{use}choose another --codec"
        )
    encoders = fitting
    encoder, pixel_format, lost = _pixel_format(clip, source, encoders, wishes)
    if lost:
        notes.append(f"{encoder} does not keep {lost}: encoded as {pixel_format}")
    options, missing = _options(encoder, clip, container, wishes.crf)
    notes.extend(missing)
    encoding = Encoding(
        encoder, container, pixel_format, options, _tag(encoder, container, clip), tuple(notes)
    )
    _try(encoding, clip, target)
    return encoding


def _encoders(clip: Clip, container: str, wishes: Wishes) -> tuple[str, ...]:
    name = wishes.codec.lower() if wishes.codec else clip.codec
    name = _ALIASES.get(name, name)
    found = _available(name)
    # Few players show RGB in H.264: only what was in it stays in it.
    if name == "h264" and not (clip.container and clip.codec == "h264"):
        found = tuple(encoder for encoder in found if encoder != "libx264rgb")
    if found:
        return found
    if wishes.codec:
        raise UsageError(f"codec is {wishes.codec!r}; use h264, hevc, vp9, av1, prores, ffv1, ...")
    raise ImageError(
        f"{clip.path}: there is no encoder for {clip.codec} here; "
        "choose another with --codec, for instance --codec h264"
    )


def _available(name: str) -> tuple[str, ...]:
    """The encoders of a codec, or the encoder of this name."""
    found = []
    for encoder in _FAMILIES.get(name, (name,)):
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
    # MOV says yes and then refuses.
    return not (container == "mov" and encoder in ("libvpx", "libvpx-vp9", "libsvtav1", "gif"))


def _taken(encoder: str) -> list[str]:
    names = [form.name for form in av.Codec(encoder, "w").video_formats or ()]
    # Readers of JPEG take any range for full; FFmpeg would write the other one only if forced.
    if encoder == "mjpeg":
        return [name for name in names if "j" in name]
    # This one says that it takes RGB with transparency, and then does not.
    return [name for name in names if not (encoder == "libvpx-vp9" and name == "gbrap")]


def _keeps_depth(encoder: str, source: Layout) -> bool:
    return any(form.bits >= source.bits for _, form in _known(encoder))


def _known(encoder: str) -> list[tuple[str, Layout]]:
    known = []
    for name in _taken(encoder):
        try:
            known.append((name, layout(name)))
        except ImageError:
            continue
    return known


def _pixel_format(
    clip: Clip, source: Layout, encoders: tuple[str, ...], wishes: Wishes
) -> tuple[str, str, str]:
    """(encoder, pixel format, what is lost by it)."""
    if wishes.pixel_format:
        for encoder in encoders:
            if wishes.pixel_format in _taken(encoder) or not _taken(encoder):
                return encoder, wishes.pixel_format, ""
        known = ", ".join(_taken(encoders[0]))
        raise UsageError(f"pix-fmt is {wishes.pixel_format!r}; {encoders[0]} takes {known}")
    for encoder in encoders:
        if not _taken(encoder):  # raw video: anything
            return encoder, clip.pixel_format if source.kind == RGB else source.planar, ""
        for name in (source.planar, clip.pixel_format):
            if name in _taken(encoder):
                return encoder, name, ""
    fitting = [(e, n, form) for e in encoders for n, form in _known(e) if not source.loses(form)]
    if fitting:
        encoder, name, _ = min(fitting, key=lambda choice: _waste(choice[2], source))
        return encoder, name, ""
    return _with_a_loss(clip, source, encoders)


def _with_a_loss(clip: Clip, source: Layout, encoders: tuple[str, ...]) -> tuple[str, str, str]:
    """The nearest format that at least keeps the depth and, for YUV, the chroma; rather
    transparency than the kind."""
    deep = [(e, n, f) for e in encoders for n, f in _known(e) if f.bits >= source.bits]
    even = clip.size[0] % 2 == 0 and clip.size[1] % 2 == 0
    wanted = (2, 2) if even else (1, 1)
    kinds = (source.kind, YUV, RGB)
    for alpha, kind in [(a, k) for a in sorted({source.alpha, False}, reverse=True) for k in kinds]:
        near = [
            (e, n, f)
            for e, n, f in deep
            if f.kind == kind
            and f.alpha == alpha
            and (kind == RGB or _chroma_is(f, source if source.kind == YUV else None, wanted))
        ]
        if near:
            encoder, name, form = min(near, key=lambda choice: _waste(choice[2], source))
            lost = "transparency" if source.alpha and not alpha else ""
            if form.kind != source.kind:
                lost = " and ".join(filter(None, (lost, source.kind.upper())))
            return encoder, name, lost
    nearest = max(_known(encoders[0]), key=lambda known: _likeness(known[1], source))[0]
    raise ImageError(
        f"{clip.path}: {encoders[0]} cannot hold {clip.pixel_format} without loss; choose "
        f"another --codec, for instance ffv1, or accept the loss with --pix-fmt {nearest}"
    )


def _likeness(form: Layout, source: Layout) -> tuple[bool, bool, int, int]:
    kept = form.alpha == source.alpha, form.kind == source.kind
    return (*kept, -form.across * form.down, form.bits)


def _chroma_is(form: Layout, source: Layout | None, wanted: tuple[int, int]) -> bool:
    if source is not None:
        return form.across <= source.across and form.down <= source.down
    return (form.across, form.down) == wanted


def _waste(form: Layout, source: Layout) -> tuple[bool, bool, int, int, bool]:
    return (
        form.kind != source.kind,
        form.alpha != source.alpha,
        form.bits,
        -form.across * form.down,
        form.full_range,
    )


def _options(
    encoder: str, clip: Clip, container: str, crf: float | None
) -> tuple[dict[str, str], list[str]]:
    """(options, notes about what they cannot say)."""
    options: dict[str, str] = {}
    if encoder in _QUALITY:
        name, default, worst, rest = _QUALITY[encoder]
        options = {name: _bounded(encoder, crf, default, 0, worst), **rest}
    elif encoder in _QUANTISER:
        quantiser = _bounded(encoder, crf, _FINEST_QUANTISER, 1, _COARSEST_QUANTISER)
        options = {"qmin": quantiser, "qmax": quantiser}
    elif crf is not None:
        raise UsageError(f"--crf is {crf:g}, but {encoder} has no such scale")
    if encoder == "prores_ks":
        options["profile"] = str(
            _PRORES.get(clip.codec_tag, 4 if "444" in clip.pixel_format else 3)
        )
    if encoder == "ffv1":
        options |= {"level": "3", "g": "1", "slicecrc": "1"}
    if encoder == "mjpeg":
        options["huffman"] = "optimal"
    if container == "avi" and encoder in ("libx264", "libx264rgb", "libx265", "mpeg4"):
        options["bf"] = "0"  # AVI knows no other order of frames than the one they are shown in
    if encoder == "libx265":
        options["x265-params"] = "log-level=error:frame-threads=2:pools=4:cutree=0"
    said, missing = hdr.options(encoder, clip.mastering, clip.light)
    for name, value in said.items():
        options[name] = f"{options[name]}:{value}" if name in options else value
    return options, missing


def _bounded(encoder: str, wish: float | None, default: int, best: int, worst: int) -> str:
    value = default if wish is None else wish
    if not best <= value <= worst:
        raise UsageError(f"crf is {value:g}; {encoder} takes {best} to {worst}")
    return f"{value:g}"


def _tag(encoder: str, container: str, clip: Clip) -> str:
    same = encoder in _FAMILIES.get(clip.codec, (clip.codec,))
    if encoder == "libx265" and container in ("mp4", "mov"):
        # Apple's players take no other; the parameters stand in the header, as it says.
        return "hvc1"
    if same and container == "avi" and clip.container == "avi" and clip.codec_tag.isprintable():
        return clip.codec_tag.strip()
    return ""


def _try(encoding: Encoding, clip: Clip, target: Path) -> None:
    """Open the encoder once, before any work."""
    os.environ.setdefault("SVT_LOG", "1")  # SVT-AV1 writes to the terminal otherwise
    height, width = clip.size
    trouble = f"{encoding.encoder} cannot encode {width} x {height} {encoding.pixel_format}"
    form = layout(encoding.pixel_format)
    if width % form.across or height % form.down:
        trouble += "; an odd size may need --pix-fmt yuv444p or another --codec"
    with explained(target, trouble):
        encoding.context(clip).open()


def ticks(clip: Clip, container: str) -> Fraction:
    """The unit of time of the output's picture stream, in seconds."""
    return 1 / clip.rate if container == "avi" and clip.container != "avi" else clip.time_base
