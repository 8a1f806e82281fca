"""Options for reading an image and for the file made of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from restore.errors import UsageError
from restore.media import image, large
from restore.media.picture import DEPTHS, STAMP, Picture


@dataclass(frozen=True)
class IoOptions:
    """Options of one input and its output.

    ``bit_depth``: one of `DEPTHS`; empty keeps the input's.
    ``encode_quality``: 1 to 100, for lossy formats; None keeps the input's.
    ``max_pixels``: larger images are refused; None is `image.MAX_PIXELS`.
    ``stamp``: record head, model and strength in the output's XMP.

    Raises `UsageError` for other values.
    """

    bit_depth: str = ""
    encode_quality: int | None = None
    max_pixels: int | None = None
    stamp: bool = False

    def __post_init__(self) -> None:
        if self.bit_depth and self.bit_depth not in DEPTHS:
            known = ", ".join(DEPTHS)
            raise UsageError(f"bit depth is {self.bit_depth!r}; use one of {known}")
        quality = self.encode_quality
        if quality is not None and not 1 <= quality <= 100:
            raise UsageError(f"encode quality is {quality}; it must be between 1 and 100")
        if self.max_pixels is not None and self.max_pixels < 1:
            raise UsageError(f"max pixels is {self.max_pixels}; it must be positive")

    @property
    def keeps_encoding(self) -> bool:
        """Whether a picture that is not changed may be stored as the bytes it was read from."""
        return not self.bit_depth and self.encode_quality is None

    def read(
        self,
        path: str | Path,
        stream: BinaryIO | None = None,
        target: Path | None = None,
        above: int = large.ABOVE,
    ) -> Picture:
        """Read an image as `image.read` does, and store the options in its ``info``.

        A requested depth above the file's is applied at once, so that the restoration uses it. If
        the image has more than ``above`` pixels and can be written to ``target`` by rows, its
        pixels are `Rows`, for `large.restore`.
        """
        if target is not None and (found := large.read(path, stream, self.max_pixels, above)):
            picture = self._asked(found)
            if large.goes_by_rows(picture, target, above):
                return picture
        picture = self._asked(image.read(path, stream, self.max_pixels))
        own = picture.pixels.dtype
        depth = DEPTHS.get(self.bit_depth, own)
        return picture.at_depth(depth) if depth.itemsize > own.itemsize else picture

    def _asked(self, picture: Picture) -> Picture:
        asked: dict[str, Any] = {
            "bit_depth": self.bit_depth or None,
            "quality": self.encode_quality,
            STAMP: self.stamp or None,
        }
        return picture.with_info(**{k: value for k, value in asked.items() if value is not None})

    def key(self) -> dict[str, Any]:
        """Return the options that affect the bytes of a result."""
        key: dict[str, Any] = {"bit_depth": self.bit_depth, "quality": self.encode_quality}
        return key | ({STAMP: True} if self.stamp else {})
