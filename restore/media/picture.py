"""What a picture is, between its file and the engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from restore.media import light
from restore.media.formats import DEPTHS, FULL, ICC, LINEAR
from restore.media.transparency import filled


@dataclass(frozen=True)
class Picture:
    """``pixels``: H x W or H x W x 3, uint8, uint16 or float32 with white at 1; ``alpha``: H x W of
    the same type, or None. Both may be `Rows` in place of arrays, where `large.read` has made it.

    ``info`` holds what travels along: icc_profile, exif, xmp, dpi, whether the numbers are
    linear in light where the file says so, the file's format and how it was compressed.
    ``notes`` says what of the file is not in here.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None
    info: dict[str, Any]
    notes: tuple[str, ...] = ()

    def with_pixels(self, pixels: np.ndarray) -> Picture:
        return replace(self, pixels=pixels)

    def with_info(self, **more: Any) -> Picture:
        return replace(self, info=self.info | more)

    def noting(self, *notes: str) -> Picture:
        return replace(self, notes=(*self.notes, *notes))

    @property
    def is_linear(self) -> bool:
        """Whether the numbers are proportional to light: as the file says, else if they are
        floats, which is the custom."""
        return _says_linear(self.info, self.pixels.dtype)

    def through(self, restore: Callable[[np.ndarray], np.ndarray]) -> Picture:
        """The picture as ``restore`` makes it of encoded pixels in the same shape and type.

        Linear pixels are encoded for it, and the difference it makes is taken back to light. It
        sees floats clipped to black and white; what lies beyond stays. Colours under full
        transparency neither count nor change.
        """
        seen = self.pixels if self.alpha is None else filled(self.pixels, self.alpha)
        if self.is_linear or seen.dtype == DEPTHS["32f"]:
            result = self._through_floats(seen, restore)
        else:
            result = restore(seen)
        if self.alpha is not None and seen is not self.pixels:
            hidden = self.alpha == 0
            result[hidden] = self.pixels[hidden]
        return self.with_pixels(result)

    def _through_floats(
        self, pixels: np.ndarray, restore: Callable[[np.ndarray], np.ndarray]
    ) -> np.ndarray:
        values = _scaled(pixels, DEPTHS["32f"])
        encode, decode = (light.encode, light.decode) if self.is_linear else (_same, _same)
        before = encode(np.clip(values, 0, 1))
        change = decode(restore(before)) - decode(before)
        return _scaled(values + change, pixels.dtype)

    def at_depth(self, dtype: np.dtype) -> Picture:
        """The same in another type, rounded where it is coarser; floats without a profile are
        linear then, integers encoded."""
        return self.stated(self.info, dtype)

    def stated(self, info: dict[str, Any], dtype: np.dtype) -> Picture:
        """The same in another type and with another ``info``: linear or encoded as that says."""
        pixels = self.pixels
        if self.is_linear != _says_linear(info, dtype):
            convert = light.encode if self.is_linear else light.decode
            pixels = convert(_scaled(pixels, DEPTHS["32f"]))
        alpha = None if self.alpha is None else _scaled(self.alpha, dtype)
        return replace(self, pixels=_scaled(pixels, dtype), alpha=alpha, info=info)

    def in_8_bits(self) -> Picture:
        """The same in uint8, rounded."""
        return self.at_depth(DEPTHS["8"])


def _says_linear(info: dict[str, Any], dtype: np.dtype) -> bool:
    if info.get(ICC):
        return light.is_linear(info[ICC])
    return bool(info.get(LINEAR, dtype == DEPTHS["32f"]))


def _same(values: np.ndarray) -> np.ndarray:
    return values


def _scaled(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Numbers of one type in another, white to white; clipped and rounded for integers, of which
    NaN becomes 0."""
    if values.dtype == dtype:
        return values
    if dtype == DEPTHS["32f"]:
        return values.astype(np.float32) / np.float32(FULL[values.dtype])
    if values.dtype == DEPTHS["32f"]:
        # In float64: float32 cannot tell all 65,536 levels from their neighbours' halves.
        return np.rint(np.clip(np.nan_to_num(values), 0, 1) * np.float64(FULL[dtype])).astype(dtype)
    if dtype == DEPTHS["16"]:
        return values.astype(np.uint16) * np.uint16(257)
    return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)
