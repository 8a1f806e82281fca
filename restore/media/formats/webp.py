"""WebP: 8 bits, lossy or lossless, still or animated, by Pillow."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from restore.media import assembly, metadata
from restore.media.formats import pillow_helpers
from restore.media.formats.animation_format import AnimationFormat
from restore.media.formats.format import Format, check_size
from restore.media.picture import EXIF, ICC, LOSSLESS, XMP, Picture

if TYPE_CHECKING:
    from restore.media.video.animation import Animation

_NAME = "WEBP"
_KEEPS = (ICC, EXIF, XMP)
_QUALITY = 95
"""Used if neither the input nor the user states one."""


def recognises(head: bytes) -> bool:
    return head.startswith(b"RIFF") and head[8:12] == b"WEBP"


def decode(stream: BinaryIO, max_pixels: int) -> Picture:
    with pillow_helpers.identified(stream, _NAME) as file:
        check_size(file.height, file.width, max_pixels)
        names = {name for name, _, _ in metadata.riff_chunks(assembly.peeked(stream))}
        return pillow_helpers.decode(file, {LOSSLESS: b"VP8L" in names})


def encode(picture: Picture) -> bytes:
    """Encode as the input was, unless the user has chosen a quality."""
    quality = picture.info.get("quality")
    if quality is None and picture.info.get(LOSSLESS):
        chosen: dict[str, Any] = {"lossless": True}
    else:
        chosen = {"quality": _QUALITY if quality is None else quality}
    # Exact: alpha keeps every value, and so do colours under full transparency.
    exact = {"alpha_quality": 100, "exact": True, "method": 4}
    return pillow_helpers.encode(picture, _NAME, _KEEPS, **exact, **chosen)


class WebpAnimation(AnimationFormat):
    """Animated WebP, which FFmpeg cannot decode."""

    suffixes = (".webp",)
    keeps = _KEEPS
    by_ffmpeg = False

    def is_lossless(self, path: Path) -> bool:
        content = path.read_bytes()
        coded = {
            name
            for part, start, end in metadata.riff_chunks(content)
            if part == b"ANMF"  # 16 bytes of frame parameters, then chunks (RFC 9649, 2.7)
            for name, _, _ in metadata.riff_chunks(content, start + 16, end)
        }
        return b"VP8L" in coded and b"VP8 " not in coded

    def options(self, animation: Animation) -> dict[str, Any]:
        exact: dict[str, Any] = {"lossless": True}
        quality = exact if animation.lossless else {"quality": _QUALITY, "alpha_quality": 100}
        more = {"exact": True, "method": 4, "loop": animation.plays}
        return {**self.kept(animation), **quality, **more}


WEBP = Format(
    _NAME,
    (".webp",),
    recognises,
    decode,
    encode,
    size=pillow_helpers.sizer(_NAME),
    grey=False,
    keeps=_KEEPS,
    longest=16383,
    lossy=True,
    pixels="lossy, or exact as the input",
    animation=WebpAnimation(),
)
