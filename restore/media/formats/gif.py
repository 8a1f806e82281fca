"""GIF: at most 256 colours, still or animated, by Pillow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from PIL import Image

from restore.media import assembly
from restore.media.formats import pillow_helpers
from restore.media.formats.animation_format import AnimationFormat
from restore.media.formats.format import ON_OR_OFF, Format, check_size
from restore.media.picture import COMMENT, XMP, Picture

if TYPE_CHECKING:
    from restore.media.video.animation import Animation

_NAME = "GIF"
_FEW_COLOURS = "GIF has at most 256 colours"
_TRANSPARENT = 255
"""The palette entry used for transparent pixels."""
_XMP_BLOCK = b"\x21\xff\x0bXMP DataXMP"
_XMP_END = bytes((1, *range(255, -1, -1), 0))
"""An application extension whose packet is no chain of blocks; readers without XMP are led to its
end from any byte (XMP specification, part 3, 1.1.2)."""
_CLEARED = 2
"""Disposal method: clear the frame before the next one."""


def recognises(head: bytes) -> bool:
    return head.startswith((b"GIF87a", b"GIF89a"))


def decode(stream: BinaryIO, max_pixels: int) -> Picture:
    with pillow_helpers.identified(stream, _NAME) as file:
        check_size(file.height, file.width, max_pixels)
        info = {COMMENT: file.info.get("comment"), XMP: _packet(assembly.peeked(stream)) or None}
        return pillow_helpers.decode(file, {key: v for key, v in info.items() if v})


def _packet(content: bytes) -> bytes:
    """Return the XMP of a file. Pillow reads it only in front of the first image."""
    _, found, rest = content.partition(_XMP_BLOCK)
    packet, end, _ = rest.partition(_XMP_END[:3])
    return packet if found and end else b""


def encode(picture: Picture) -> bytes:
    content = pillow_helpers.encode(picture, _NAME, (COMMENT,))
    return _with_packet(content, picture.info.get(XMP, b""))


def _with_packet(content: bytes, packet: bytes) -> bytes:
    """Add XMP at the end of a file."""
    if not packet:
        return content
    return content[:-1] + _XMP_BLOCK + packet + _XMP_END + content[-1:]


def lost(picture: Picture) -> Iterator[str]:
    yield _FEW_COLOURS


class GifAnimation(AnimationFormat):
    """Animated GIF. Transparent pixels are cleared between frames."""

    suffixes = (".gif",)
    keeps = (COMMENT, XMP)

    def plays(self, info: dict[str, Any]) -> int:
        loop = info.get("loop")  # the number of repetitions; without it, the file plays once
        return 1 if loop is None else 0 if loop == 0 else loop + 1

    def unread(self, path: Path) -> dict[str, Any]:
        return {XMP: _packet(path.read_bytes())}

    def completed(self, content: bytes, animation: Animation) -> bytes:
        return _with_packet(content, animation.kept.get(XMP, b""))

    def lost(self, animation: Animation) -> Iterator[str]:
        if animation.soft:
            yield "GIF has no partial transparency: pixels become opaque or fully transparent"
        if animation.format != _NAME:
            yield _FEW_COLOURS

    def image(self, picture: Picture) -> Image.Image:
        rgb = Image.fromarray(picture.pixels)
        colours = 256 if picture.alpha is None else _TRANSPARENT
        image = rgb.quantize(colours, dither=Image.Dither.FLOYDSTEINBERG)
        if picture.alpha is not None:
            data = np.asarray(image).copy()
            data[picture.alpha < 128] = _TRANSPARENT
            palette = image.getpalette()
            image = Image.fromarray(data)
            image.putpalette(palette or [])
            image.info["transparency"] = _TRANSPARENT
        return image

    def options(self, animation: Animation) -> dict[str, Any]:
        loop = {} if animation.plays == 1 else {"loop": max(0, animation.plays - 1)}
        clear = {"transparency": _TRANSPARENT, "disposal": _CLEARED} if animation.alpha else {}
        return {**loop, **clear, **self.kept(animation), "optimize": False}


GIF = Format(
    _NAME,
    (".gif",),
    recognises,
    decode,
    encode,
    size=pillow_helpers.sizer(_NAME),
    alpha=ON_OR_OFF,
    keeps=(XMP, COMMENT),
    longest=65535,
    pixels="256 colours",
    lost=lost,
    animation=GifAnimation(),
)
