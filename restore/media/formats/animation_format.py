"""How a file format stores animations."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

if TYPE_CHECKING:
    from restore.media.picture import Picture
    from restore.media.video.animation import Animation


class AnimationFormat:
    """Animations of one format, read and written by Pillow. The base class is read only.

    ``suffixes``: endings of file names under which animations are written.
    ``keeps``: keys of `Picture.info` that are written.
    ``grey``: frames of one channel stay greyscale.
    ``by_ffmpeg``: FFmpeg can decode the format.
    """

    suffixes: tuple[str, ...] = ()
    keeps: tuple[str, ...] = ()
    grey = False
    by_ffmpeg = True

    def plays(self, info: dict[str, Any]) -> int:
        """Return how often the animation is played by Pillow's ``info``; 0 is forever."""
        return int(info.get("loop") or 0)

    def is_lossless(self, path: Path) -> bool:
        """Whether a lossy format stores all frames of this file exactly."""
        return False

    def notes(self, path: Path) -> tuple[str, ...]:
        """Return notes on parts of a file that are lost when it is read."""
        return ()

    def unread(self, path: Path) -> dict[str, Any]:
        """Return metadata of a file that Pillow does not read, by the keys of `Picture.info`."""
        return {}

    def completed(self, content: bytes, animation: Animation) -> bytes:
        """Add metadata that Pillow does not write to a file."""
        return content

    def lost(self, animation: Animation) -> Iterator[str]:
        """Yield notes on parts of an animation that are lost when it is written."""
        yield from ()

    def image(self, picture: Picture) -> Image.Image:
        """Convert a frame of 8 bits for Pillow."""
        image = Image.fromarray(picture.pixels)
        if picture.alpha is not None:
            image.putalpha(Image.fromarray(picture.alpha))
        return image

    def durations(self, animation: Animation) -> list[float]:
        """Return the display time of each frame in ms as Pillow expects them."""
        return [round(duration) for duration in animation.moving_durations]

    def options(self, animation: Animation) -> dict[str, Any]:
        """Return arguments of Pillow's ``save`` other than frames and durations."""
        return self.kept(animation)

    def kept(self, animation: Animation) -> dict[str, Any]:
        """Return the metadata that this format keeps."""
        return {name: value for name, value in animation.kept.items() if name in self.keeps}
