"""What a person may ask of a picture's file, and of the one made of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from restore.errors import UsageError
from restore.media import image, large
from restore.media.formats import DEPTHS
from restore.media.picture import Picture


@dataclass(frozen=True)
class Choices:
    """``bit_depth`` is one of `DEPTHS`, or empty for that of the input; ``encode_quality`` (1 to
    100) of lossy formats, None for that of the input; pictures of more than ``max_pixels`` are
    refused, by default `image.MAX_PIXELS`.

    Raises `UsageError` for anything else.
    """

    bit_depth: str = ""
    encode_quality: int | None = None
    max_pixels: int | None = None

    def __post_init__(self) -> None:
        if self.bit_depth and self.bit_depth not in DEPTHS:
            known = ", ".join(DEPTHS)
            raise UsageError(f"bit depth is {self.bit_depth!r}; use one of {known}")
        quality = self.encode_quality
        if quality is not None and not 1 <= quality <= 100:
            raise UsageError(f"encode quality is {quality}; it must be between 1 and 100")
        if self.max_pixels is not None and self.max_pixels < 1:
            raise UsageError(f"max pixels is {self.max_pixels}; it must be positive")

    def read(
        self,
        path: str | Path,
        stream: BinaryIO | None = None,
        target: Path | None = None,
        above: int = large.ABOVE,
    ) -> Picture:
        """`image.read`, with what is asked of the output in ``info``; in more bits at once where
        more are asked for, so that the restoration has them. A picture of more than ``above``
        pixels that can go to ``target`` by rows has `Rows` for pixels, for `large.restore`."""
        if target is not None and (found := large.read(path, stream, self.max_pixels, above)):
            picture = self._asked(found)
            if large.goes_by_rows(picture, target, above):
                return picture
        picture = self._asked(image.read(path, stream, self.max_pixels))
        own = picture.pixels.dtype
        depth = DEPTHS.get(self.bit_depth, own)
        return picture.at_depth(depth) if depth.itemsize > own.itemsize else picture

    def _asked(self, picture: Picture) -> Picture:
        asked = {"bit_depth": self.bit_depth or None, "quality": self.encode_quality}
        return picture.with_info(**{k: value for k, value in asked.items() if value is not None})

    def key(self) -> dict[str, Any]:
        """What of it decides about a result."""
        return {"bit_depth": self.bit_depth, "quality": self.encode_quality}
