"""The declaration of an image file format."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from restore.errors import ImageError
from restore.media.file_sink import FileSink
from restore.media.formats.animation_format import AnimationFormat
from restore.media.picture import DEPTHS, Picture

NO_ALPHA, ON_OR_OFF, FULL_ALPHA = "", "on or off", "yes"
"""Transparency: none; every pixel fully transparent or opaque; any value."""


def _nothing(of: object) -> Iterator[str]:
    yield from ()


@dataclass(frozen=True)
class Format:
    """One image file format: functions that read and write it, and its limits.

    ``name``: as Pillow calls it, if Pillow supports it.
    ``suffixes``: endings of file names, lower case; the usual one first.
    ``aliases``: rarer endings, read and written but not proposed in messages.
    ``recognises``: whether a file starting with these bytes has this format.
    ``decode``: read the first image, upright; the second argument is the most pixels allowed.
    Raises `ImageError`, and any error of the library used.
    ``encode``: return the bytes of a file of a picture in one of ``depths``; None if the format is
    read only.
    ``size``: (height, width) of the upright image from the header, with arguments like ``decode``;
    None if the image must be decoded.
    ``by_suffix``: recognised by the ending of the file name, before any content is read.
    ``depths``: keys of `DEPTHS`, from shallow to deep.
    ``most_bits``: bits per channel that are stored of 16.
    ``grey``: supports images of one channel.
    ``for_grey``: endings under which files hold one channel alone.
    ``alpha``: `NO_ALPHA`, `ON_OR_OFF` or `FULL_ALPHA`.
    ``keeps``: keys of `Picture.info` that are written.
    ``longest``: the largest side in pixels.
    ``lossy``: the user can choose a quality, and written pixels differ from the picture's.
    ``pixels``: how pixels are written, for the table of formats; by default derived from the above.
    ``lost``: notes on parts of a picture that this format cannot keep, besides the general ones.
    ``private``: parts of a ``Picture.info`` that no other format can keep, in words.
    ``by_rows``: open an image of a number of pixels in a range as `Rows`; None in the result if
    its rows cannot be read one by one.
    ``sink``: writes the format by rows.
    ``animation``: how animations are stored.
    ``extra``, ``library``: the extra of this package and the module in it that the format requires.
    """

    name: str
    suffixes: tuple[str, ...]
    recognises: Callable[[bytes], bool]
    decode: Callable[[BinaryIO, int], Picture]
    encode: Callable[[Picture], bytes] | None = None
    size: Callable[[BinaryIO, int], tuple[int, int]] | None = None
    by_suffix: bool = False
    aliases: tuple[str, ...] = ()
    depths: tuple[str, ...] = ("8",)
    most_bits: int = 16
    grey: bool = True
    for_grey: tuple[str, ...] = ()
    alpha: str = FULL_ALPHA
    keeps: tuple[str, ...] = ()
    longest: int | None = None
    lossy: bool = False
    pixels: str = ""
    lost: Callable[[Picture], Iterator[str]] = _nothing
    private: Callable[[dict[str, Any]], Iterator[str]] = _nothing
    by_rows: Callable[[Path, BinaryIO, int, int], Picture | None] | None = None
    sink: type[FileSink] | None = None
    animation: AnimationFormat | None = None
    extra: str = ""
    library: str = ""

    @property
    def endings(self) -> tuple[str, ...]:
        """All endings of file names of this format."""
        return self.suffixes + self.aliases

    @property
    def writable(self) -> bool:
        return self.encode is not None

    def holds(self, depth: str) -> bool:
        """Whether all bits of a key of `DEPTHS` are stored."""
        return depth in self.depths and (depth != "16" or self.most_bits == 16)

    def nearest(self, dtype: np.dtype) -> np.dtype:
        """Return the depth written for pixels of ``dtype``: the same, else the next shallower one,
        else the shallowest."""
        own = [DEPTHS[depth] for depth in self.depths]
        below = [d for d in own if d.itemsize <= dtype.itemsize]
        return below[-1] if below else own[0]


def check_size(height: int, width: int, max_pixels: int) -> None:
    """Raise `ImageError` if an image has more than ``max_pixels``. Headers of a few bytes can claim
    any size, so this is called before decoding."""
    if height * width > max_pixels:
        raise ImageError(
            f"has more than {max_pixels:,} pixels; refused unless max_pixels={height * width}"
        )
