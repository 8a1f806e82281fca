"""Numbered pictures, or those of a folder, as the frames of a clip."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from restore.errors import ImageError
from restore.files import sha256_of
from restore.media import image as media
from restore.media.folder import pictures
from restore.media.formats import DEPTHS
from restore.media.picture import Picture
from restore.media.video.clip import Clip
from restore.media.video.frames import planes_of
from restore.media.video.kinds import is_pattern, numbered, numbers
from restore.media.video.layout import layout


def paths(source: Path) -> list[Path]:
    """The pictures that a pattern or a folder means, in order. Raises `ImageError` for none."""
    if not is_pattern(source):
        return pictures(source)
    found = [numbered(source, number) for number in numbers(source)]
    if not found:
        raise ImageError(f"{source}: no pictures of this pattern")
    return found


@dataclass(frozen=True)
class Pictures:
    """Pictures of one size as a source of frames, ``clip`` as they will be shown."""

    clip: Clip
    paths: list[Path]
    beside: bool = False

    def frames(self) -> Iterator[av.VideoFrame]:
        """Raises `ImageError` for a picture that cannot be read, or of another size."""
        for number, path in enumerate(self.paths):
            frame = _frame(media.read(path), self.clip.pixel_format)
            if (frame.height, frame.width) != self.clip.size:
                height, width = self.clip.size
                raise ImageError(
                    f"{path}: is {frame.width} x {frame.height}, but {self.paths[0].name} is "
                    f"{width} x {height}; all must have one size"
                )
            frame.pts, frame.duration, frame.time_base = number, 1, self.clip.time_base
            yield frame

    def digest(self) -> str:
        names = ((path.name, sha256_of(path)) for path in self.paths)
        return hashlib.sha256("\n".join(map(" ".join, names)).encode()).hexdigest()


def as_clip(source: Path, rate: Fraction) -> Pictures:
    """The pictures of a pattern or a folder, shown at ``rate`` frames a second, all in the pixel
    format of the first. Raises `ImageError`."""
    found = paths(source)
    picture = media.read(found[0])
    deep = "" if picture.pixels.dtype == np.uint8 else "16le"
    grey = picture.pixels.ndim == 2 and picture.alpha is None
    form = f"gray{deep}" if grey else f"gbr{'' if picture.alpha is None else 'a'}p{deep}"
    size = (picture.pixels.shape[0], picture.pixels.shape[1])
    clip = Clip(source, "", 0, "h264", "", size, form, 1 / rate, rate, len(found))
    return Pictures(clip, found)


def _frame(picture: Picture, form: str) -> av.VideoFrame:
    shape = layout(form)
    picture = picture.at_depth(DEPTHS["8" if shape.bits == 8 else "16"])
    height, width = picture.pixels.shape[:2]
    frame = av.VideoFrame(width, height, form)
    pixels = picture.pixels
    if len(frame.planes) == 1:
        channels = [pixels if pixels.ndim == 2 else pixels[..., 1]]
    else:
        colours = [pixels] * 3 if pixels.ndim == 2 else [pixels[..., c] for c in (1, 2, 0)]
        opaque = np.full((height, width), shape.peak, pixels.dtype)
        channels = [*colours, opaque if picture.alpha is None else picture.alpha]
    for plane, values in zip(planes_of(frame, shape), channels, strict=False):
        plane[...] = values
    return frame


def as_picture(frame: av.VideoFrame, rgb: np.ndarray, alpha: np.ndarray | None) -> Picture:
    """H x W x 3 float32 in [0, 1], of a frame, as a picture of 8 bits or, where the frame has
    more, of 16; turned as players turn it."""
    peak = 255 if layout(frame.format.name).bits == 8 else 65535
    kind = np.uint8 if peak == 255 else np.uint16
    values = np.rint(rgb * np.float64(peak)).astype(kind)
    quarter_turns = frame.rotation // 90  # counterclockwise
    over = None if alpha is None else np.rint(alpha * np.float64(peak)).astype(kind)
    return Picture(
        np.ascontiguousarray(np.rot90(values, quarter_turns)),
        None if over is None else np.ascontiguousarray(np.rot90(over, quarter_turns)),
        {},
    )
