"""GIF: at most 256 colours, still or animated, by Pillow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from restore.media.formats import pillow_helpers
from restore.media.formats.animation_format import AnimationFormat
from restore.media.formats.format import ON_OR_OFF, Format
from restore.media.picture import Picture

if TYPE_CHECKING:
    from restore.media.video.animation import Animation

_NAME = "GIF"
_FEW_COLOURS = "GIF has at most 256 colours"
_TRANSPARENT = 255
"""The palette entry used for transparent pixels."""
_CLEARED = 2
"""Disposal method: clear the frame before the next one."""


def recognises(head: bytes) -> bool:
    return head.startswith((b"GIF87a", b"GIF89a"))


def encode(picture: Picture) -> bytes:
    return pillow_helpers.encode(picture, _NAME, ())


def lost(picture: Picture) -> Iterator[str]:
    yield _FEW_COLOURS


class GifAnimation(AnimationFormat):
    """Animated GIF. Transparent pixels are cleared between frames."""

    suffixes = (".gif",)
    keeps = ("comment",)

    def plays(self, info: dict[str, Any]) -> int:
        loop = info.get("loop")  # the number of repetitions; without it, the file plays once
        return 1 if loop is None else 0 if loop == 0 else loop + 1

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
    pillow_helpers.decoder(_NAME),
    encode,
    size=pillow_helpers.sizer(_NAME),
    alpha=ON_OR_OFF,
    longest=65535,
    pixels="256 colours",
    lost=lost,
    animation=GifAnimation(),
)
