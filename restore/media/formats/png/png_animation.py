"""Animated PNG (APNG)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from restore.media.formats.animation_format import AnimationFormat
from restore.media.formats.png.chunks import LENGTH_OF_HEADER, SIGNATURE, chunk
from restore.media.formats.png.descriptive_chunks import CHUNKS, described, kept_chunks, stated
from restore.media.picture import CICP, DPI, EXIF, ICC, LIGHT, MASTERING, XMP

if TYPE_CHECKING:
    from restore.media.video.animation import Animation

_BESIDE_FRAMES = (CHUNKS, CICP, MASTERING, LIGHT)
_BY_CHUNKS = (*_BESIDE_FRAMES, XMP)
"""Metadata of animations that Pillow does not read, and that it does not write."""


class PngAnimation(AnimationFormat):
    """Animated PNG. Frames of 16 bits are reduced to 8."""

    suffixes = (".png", ".apng")
    keeps = (ICC, EXIF, XMP, DPI, CHUNKS, CICP, MASTERING, LIGHT)
    grey = True

    def unread(self, path: Path) -> dict[str, Any]:
        with open(path, "rb") as file:
            info = stated(kept_chunks(file))
        return {key: info.get(key) for key in _BESIDE_FRAMES}

    def completed(self, content: bytes, animation: Animation) -> bytes:
        own = {key: animation.kept[key] for key in _BY_CHUNKS if key in animation.kept}
        after_header = len(SIGNATURE) + LENGTH_OF_HEADER
        written = (chunk(name, body) for name, body in described(own))
        return b"".join((content[:after_header], *written, content[after_header:]))

    def notes(self, path: Path) -> tuple[str, ...]:
        with open(path, "rb") as file:
            deep = file.read(LENGTH_OF_HEADER)[-1] == 16  # the depth in IHDR
        return ("16 bits per channel become 8: animations are restored in 8",) if deep else ()

    def durations(self, animation: Animation) -> list[float]:
        return list(animation.moving_durations)  # APNG stores fractions of a millisecond

    def options(self, animation: Animation) -> dict[str, Any]:
        more = {"loop": animation.plays, "default_image": animation.still}
        return {**self.kept(animation), **more}
