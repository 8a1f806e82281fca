"""Choice of the encoder and the pixel format that keep a clip's samples."""

from __future__ import annotations

import av

from restore.errors import ImageError, UsageError
from restore.media.video.pixel_format import RGB, YUV, Layout, layout
from restore.media.video.stream import Clip


def _supported(encoder: str) -> list[str]:
    """List the pixel formats an encoder supports; empty if it supports all."""
    names = [form.name for form in av.Codec(encoder, "w").video_formats or ()]
    # JPEG decoders assume full range; FFmpeg writes limited range only if forced.
    if encoder == "mjpeg":
        return [name for name in names if "j" in name]
    # libvpx-vp9 lists RGB with transparency but refuses it.
    return [name for name in names if not (encoder == "libvpx-vp9" and name == "gbrap")]


def keeps_depth(encoder: str, source: Layout) -> bool:
    """Whether an encoder supports a pixel format with as many bits as ``source``."""
    return any(form.bits >= source.bits for _, form in _known(encoder))


def _known(encoder: str) -> list[tuple[str, Layout]]:
    known = []
    for name in _supported(encoder):
        try:
            known.append((name, layout(name)))
        except ImageError:
            continue
    return known


def whole_chroma(encoder: str, source: Layout) -> str:
    """Return an encoder's YUV format with chroma at every sample and the depth of ``source``; empty
    if it has none."""
    fitting = [
        (form.bits, form.alpha != source.alpha, form.full_range != source.full_range, name)
        for name, form in _known(encoder)
        if form.kind == YUV and (form.across, form.down) == (1, 1) and form.bits >= source.bits
    ]
    return min(fitting, default=(0, False, False, ""))[-1]


def choose_pixel_format(
    clip: Clip, source: Layout, encoders: tuple[str, ...], requested: str | None
) -> tuple[str, str, str]:
    """Choose one of ``encoders`` and its pixel format.

    Returns:
        Encoder, pixel format, and the property of ``source`` that is lost, or an empty string.

    Raises:
        UsageError: if no encoder supports the ``requested`` format.
        ImageError: if each format would lose depth or chroma resolution.
    """
    if requested:
        for encoder in encoders:
            if requested in _supported(encoder) or not _supported(encoder):
                return encoder, requested, ""
        known = ", ".join(_supported(encoders[0]))
        raise UsageError(f"pix_fmt is {requested!r}; {encoders[0]} supports {known}")
    for encoder in encoders:
        if not _supported(encoder):  # raw video
            return encoder, clip.pixel_format if source.kind == RGB else source.planar, ""
        for name in (source.planar, clip.pixel_format):
            if name in _supported(encoder):
                return encoder, name, ""
    fitting = [(e, n, form) for e in encoders for n, form in _known(e) if not source.loses(form)]
    if fitting:
        encoder, name, _ = min(fitting, key=lambda option: _waste(option[2], source))
        return encoder, name, ""
    return _with_a_loss(clip, source, encoders)


def _with_a_loss(clip: Clip, source: Layout, encoders: tuple[str, ...]) -> tuple[str, str, str]:
    """Choose the nearest format that keeps the depth and, for YUV, the chroma resolution. Keeping
    transparency has priority over keeping YUV or RGB."""
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
            encoder, name, form = min(near, key=lambda option: _waste(option[2], source))
            lost = "transparency" if source.alpha and not alpha else ""
            if form.kind != source.kind:
                lost = " and ".join(filter(None, (lost, source.kind.upper())))
            return encoder, name, lost
    nearest = max(_known(encoders[0]), key=lambda known: _likeness(known[1], source))[0]
    raise ImageError(
        f"{clip.path}: {encoders[0]} cannot hold {clip.pixel_format} without loss; choose "
        f"another codec, for instance codec='ffv1', or accept the loss with pix_fmt={nearest!r}"
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
