"""Numbered images, images of a folder and animations as the frames of a clip, and frames as
images."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from restore.errors import ImageError
from restore.files import sha256_of
from restore.media import image as media
from restore.media.picture import CALLED, DEPTHS, EXIF, FULL, ICC, XMP, Picture
from restore.media.video.animation import Animation, names_of, read
from restore.media.video.detect import is_pattern
from restore.media.video.numbering import check_no_gaps, paths
from restore.media.video.pixel_format import GREY, layout
from restore.media.video.rgb_frame import planes_of
from restore.media.video.stream import Clip


class NotesOfFiles:
    """Notes on many files, each text once with the first file it applies to."""

    def __init__(self) -> None:
        self._files: dict[str, list[Path]] = {}

    def add(self, path: Path, notes: Iterable[str]) -> None:
        for note in notes:
            self._files.setdefault(note, []).append(path)

    def lines(self) -> tuple[str, ...]:
        return tuple(
            f"{first}: {note}" + (f"; also {len(others)} more" if others else "")
            for note, (first, *others) in self._files.items()
        )


@dataclass(frozen=True)
class ImageSequence:
    """Images of one size as a source of frames.

    ``clip``: properties of the clip they form.
    ``copy_others``: ``clip.path`` holds other streams to copy.
    ``lost``: notes on parts of the images read so far that a clip cannot keep.
    ``gaps``: notes on missing images.
    """

    clip: Clip
    paths: list[Path]
    copy_others: bool = False
    lost: NotesOfFiles = field(default_factory=NotesOfFiles)
    gaps: tuple[str, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        return (*self.gaps, *self.lost.lines())

    def frames(self) -> Iterator[av.VideoFrame]:
        """Yield each image as a frame. Raises `ImageError` for an image that cannot be read, has
        another size, or has colours, transparency or more bits than the first one."""
        for number, path in enumerate(self.paths):
            picture = media.read(path)
            self.lost.add(path, _without_place(picture))
            yield stamped(self._frame(path, picture), self.clip, number, 1)

    def _frame(self, path: Path, picture: Picture) -> av.VideoFrame:
        first, (height, width) = self.paths[0].name, self.clip.size
        own = picture.pixels.shape
        if own[:2] != self.clip.size:
            raise ImageError(
                f"{path}: is {own[1]} x {own[0]}, but {first} is "
                f"{width} x {height}; all must have one size"
            )
        richer = _richer(picture, self.clip.pixel_format)
        if richer:
            raise ImageError(
                f"{path}: has {richer}, which {first} has not; the first picture sets the format, "
                "so convert one of them"
            )
        return as_frame(picture, self.clip.pixel_format)

    def digest(self) -> str:
        names = ((path.name, sha256_of(path)) for path in self.paths)
        return hashlib.sha256("\n".join(map(" ".join, names)).encode()).hexdigest()


def stamped(frame: av.VideoFrame, clip: Clip, pts: int, duration: int) -> av.VideoFrame:
    """Set the time stamp and duration of a frame, in ticks of the clip."""
    frame.pts, frame.duration, frame.time_base = pts, duration, clip.time_base
    return frame


def as_clip(source: Path, rate: Fraction, allow_gaps: bool = False) -> ImageSequence:
    """Return the images of a pattern or a folder as frames at ``rate`` per second, in the pixel
    format of the first.

    Raises `ImageError`, also for a missing number unless ``allow_gaps``.
    """
    images = paths(source)
    gaps = check_no_gaps(source, images, allow_gaps) if is_pattern(source) else ()
    found = list(images.values())
    picture = media.read(found[0])
    size = (picture.pixels.shape[0], picture.pixels.shape[1])
    form = form_of(picture)
    clip = Clip(source, "", 0, "h264", "", size, form, 1 / rate, rate, len(found))
    return ImageSequence(clip, found, gaps=gaps)


@dataclass(frozen=True)
class AnimationFrames:
    """An animation that FFmpeg cannot decode as a source of frames.

    ``clip``: properties of the clip they form.
    ``copy_others``: ``clip.path`` holds other streams to copy.
    """

    clip: Clip
    animation: Animation
    copy_others: bool = False

    @property
    def notes(self) -> tuple[str, ...]:
        kept = (f"a clip cannot store {word}" for word in names_of(self.animation.kept))
        return (*self.animation.notes, *kept)

    def frames(self) -> Iterator[av.VideoFrame]:
        """Yield each frame with its time stamp. Raises `ImageError`."""
        now = 0
        lasting = zip(self.animation.pictures(), _lasting(self.animation), strict=True)
        for picture, duration in lasting:
            frame = as_frame(picture, self.clip.pixel_format)
            yield stamped(frame, self.clip, now, duration)
            now += duration

    def digest(self) -> str:
        return sha256_of(self.clip.path)


def moving(path: Path) -> AnimationFrames:
    """Return an animation as a source of frames with its own times. Raises `ImageError`."""
    found = read(path)
    form = form_of(next(found.pictures()))
    lasting, tick = _lasting(found), Fraction(1, 1000)
    rate = min(Fraction(1000), len(lasting) / (sum(lasting) * tick))
    clip = Clip(path, "", 0, "h264", "", found.size, form, tick, rate, len(lasting))
    return AnimationFrames(clip, found)


def _lasting(animation: Animation) -> list[int]:
    """Return the display time of each frame in milliseconds, at least 1, as a clip requires."""
    return [max(1, round(duration)) for duration in animation.durations]


def form_of(picture: Picture) -> str:
    """Return the pixel format that holds a picture without loss, except floats."""
    deep = "" if picture.pixels.dtype == np.uint8 else "16le"
    if picture.pixels.ndim == 2 and picture.alpha is None:
        return f"gray{deep}"
    return f"gbr{'' if picture.alpha is None else 'a'}p{deep}"


def _richer(picture: Picture, form: str) -> str:
    """Name a property of a picture that a pixel format cannot hold; empty if it holds all."""
    shape = layout(form)
    if picture.pixels.ndim == 3 and shape.kind == GREY:
        return "colours"
    seen = picture.alpha is not None and picture.alpha.min() < FULL[picture.alpha.dtype]
    if seen and not shape.alpha:
        return "transparency"
    deep = picture.pixels.dtype != np.uint8 and shape.bits == 8
    return "more bits per channel" if deep else ""


def _without_place(picture: Picture) -> Iterator[str]:
    yield from picture.notes
    for name in (ICC, EXIF, XMP):
        if picture.info.get(name):
            yield f"a clip cannot store the {CALLED[name]} of a picture"
    if picture.pixels.dtype == np.float32:
        yield "32f bits per channel become 16, the most that a clip holds"


def as_frame(picture: Picture, form: str) -> av.VideoFrame:
    """Convert a picture to a frame of a pixel format from `form_of` that holds it."""
    shape = layout(form)
    picture = picture.at_depth(DEPTHS["8" if shape.bits == 8 else "16"])
    height, width = picture.pixels.shape[:2]
    frame = av.VideoFrame(width, height, form)
    pixels = picture.pixels
    if len(frame.planes) == 1:
        channels = [pixels]
    else:
        colours = [pixels] * 3 if pixels.ndim == 2 else [pixels[..., c] for c in (1, 2, 0)]
        opaque = np.full((height, width), shape.peak, pixels.dtype)
        channels = [*colours, opaque if picture.alpha is None else picture.alpha]
    for plane, values in zip(planes_of(frame, shape), channels, strict=False):
        plane[...] = values
    return frame


def as_picture(clip: Clip, rgb: np.ndarray, alpha: np.ndarray | None) -> Picture:
    """Convert a frame of a clip to a picture, rotated and flipped as players do.

    Args:
        rgb: H x W x 3 float32 in [0, 1].
        alpha: H x W float32, or None.

    Returns:
        uint8 if the clip has 8 bits, else uint16.
    """
    peak = 255 if layout(clip.pixel_format).bits == 8 else 65535
    kind = np.uint8 if peak == 255 else np.uint16

    def stored(values: np.ndarray) -> np.ndarray:
        whole = np.rint(values * np.float64(peak)).astype(kind)
        return np.ascontiguousarray(_upright(whole, clip.display_matrix))

    return Picture(stored(rgb), None if alpha is None else stored(alpha), {})


def _upright(pixels: np.ndarray, matrix: tuple[int, ...] | None) -> np.ndarray:
    """Apply a display matrix, which maps (x, y) to (a x + c y, b x + d y), rounded to quarter
    turns."""
    if matrix is None:
        return pixels
    a, b, _, c, d = matrix[:5]
    if abs(a) < abs(b):
        pixels = pixels.swapaxes(0, 1)
        across, down = c, b
    else:
        across, down = a, d
    return pixels[:: -1 if down < 0 else 1, :: -1 if across < 0 else 1]


_HDR = {16: "PQ", 18: "HLG"}
"""Transfer functions of ITU-R BT.2100, by FFmpeg's number."""
_BT2020 = 9


def not_in_pictures(clip: Clip) -> Iterator[str]:
    """Yield notes on properties of a clip that image files cannot store."""
    if clip.pixel_aspect != 1:
        yield (
            f"its pixels are {float(clip.pixel_aspect):.4g} times as wide as high, "
            "which image files cannot store: they look too "
            f"{'narrow' if clip.pixel_aspect > 1 else 'wide'}"
        )
    if clip.colour.transfer in _HDR:
        yield (
            f"is HDR ({_HDR[clip.colour.transfer]}), which image files cannot store: they look pale"
        )
    elif clip.colour.primaries == _BT2020:
        yield "has the colours of BT.2020, which image files cannot store: they look pale"
