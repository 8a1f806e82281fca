"""An image between its file and the engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from restore.media import light
from restore.media.hidden_colours import filled

DEPTHS: dict[str, np.dtype] = {
    "8": np.dtype(np.uint8),
    "16": np.dtype(np.uint16),
    "32f": np.dtype(np.float32),
}
"""Bits per channel by the name users give them, from shallow to deep."""
FULL = {DEPTHS["8"]: 255, DEPTHS["16"]: 65535, DEPTHS["32f"]: 1}
"""The value of white in each type."""

ICC, EXIF, XMP, DPI, IPTC = "icc_profile", "exif", "xmp", "dpi", "iptc"
LINEAR, BITS, COMMENT = "linear", "bits", "comment"
LOSSLESS = "lossless"
"""Key of `Picture.info`: whether a file of a format that can be lossy stores exact pixels."""
STAMP = "stamp"
"""Key of `Picture.info`: True if a record of the restoration is wanted in XMP."""
CICP, MASTERING, LIGHT = "cicp", "mastering_display", "content_light_level"
"""Keys of `Picture.info`. The last three: `CodePoints`, and the content of PNG's chunks mDCV and
cLLI."""
CALLED = {ICC: "colour profile", EXIF: "EXIF", XMP: "XMP", DPI: "resolution"}
"""Names of metadata in messages and in the table of formats."""


_ONLY_FIRST = "only the first is read"


def only_first(count: int | None = None) -> str:
    """Return the note on a file of several images, whose number may be unknown."""
    return f"holds {count or 'several'} pictures; {_ONLY_FIRST}"


@dataclass(frozen=True)
class Picture:
    """An image and its metadata.

    ``pixels``: H x W or H x W x 3, uint8, uint16 or float32 with white at 1.
    ``alpha``: H x W of the same type, or None.
    Both are `Rows` instead of arrays in pictures returned by `large.read`.
    ``info``: metadata: icc_profile, exif, xmp, dpi, iptc, cicp; whether values are linear in light,
    if the file states it; bits per channel if they are 9 to 12; the file's format and its
    compression settings.
    ``notes``: one sentence for each part of the file that was not read.
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
    def has_others(self) -> bool:
        """Whether the file holds further images that are not read."""
        return any(note.endswith(_ONLY_FIRST) for note in self.notes)

    @property
    def is_linear(self) -> bool:
        """Whether values are proportional to light: as the file states; if it does not, floats
        are linear by convention."""
        return _says_linear(self.info, self.pixels.dtype)

    def through(self, restore: Callable[[np.ndarray], np.ndarray]) -> Picture:
        """Apply ``restore``, which maps encoded pixels to pixels of the same shape and type.

        Linear pixels are encoded first, and the change is converted back to linear light.
        ``restore`` sees floats clipped to [0, 1]; the excess is added again afterwards. Colours
        under full transparency are hidden from ``restore`` and keep their values.
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
        """Convert to another type, rounding to nearest. Without a profile, floats become linear
        and integers become encoded."""
        return self.stated(self.info, dtype)

    def stated(self, info: dict[str, Any], dtype: np.dtype) -> Picture:
        """Convert to another type and another ``info``; values become linear or encoded as that
        ``info`` states."""
        pixels = self.pixels
        if self.is_linear != _says_linear(info, dtype):
            convert = light.encode if self.is_linear else light.decode
            pixels = convert(_scaled(pixels, DEPTHS["32f"]))
        alpha = None if self.alpha is None else _scaled(self.alpha, dtype)
        return replace(self, pixels=_scaled(pixels, dtype), alpha=alpha, info=info)

    def in_8_bits(self) -> Picture:
        """Convert to uint8, rounding to nearest."""
        return self.at_depth(DEPTHS["8"])


def _says_linear(info: dict[str, Any], dtype: np.dtype) -> bool:
    if info.get(ICC):
        return light.is_linear(info[ICC])
    return bool(info.get(LINEAR, dtype == DEPTHS["32f"]))


def _same(values: np.ndarray) -> np.ndarray:
    return values


def _scaled(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Convert to another type with white mapped to white. Integers are clipped and rounded; NaN
    becomes 0."""
    if values.dtype == dtype:
        return values
    if dtype == DEPTHS["32f"]:
        return values.astype(np.float32) / np.float32(FULL[values.dtype])
    if values.dtype == DEPTHS["32f"]:
        # In float64: float32 cannot separate all 65,536 levels from the midpoints between them.
        return np.rint(np.clip(np.nan_to_num(values), 0, 1) * np.float64(FULL[dtype])).astype(dtype)
    if dtype == DEPTHS["16"]:
        return values.astype(np.uint16) * np.uint16(257)
    return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)
