"""Animated images: their frames, display times and repetitions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from restore.errors import ImageError
from restore.files import atomic_path
from restore.media import metadata
from restore.media.formats import ANIMATED, ANIMATED_NAMES, FORMATS
from restore.media.formats.animation_format import AnimationFormat
from restore.media.formats.format import Format
from restore.media.image import MAX_PIXELS
from restore.media.picture import (
    CALLED,
    CICP,
    COMMENT,
    DPI,
    EXIF,
    ICC,
    LIGHT,
    MASTERING,
    XMP,
    Picture,
)

MOST = 500_000_000
"""The most pixels of all frames together. Pillow holds all frames while it writes them, each in up
to four bytes per pixel, twice."""
_NAMES = CALLED | {
    COMMENT: "comment",
    CICP: "colour space",
    **dict.fromkeys((MASTERING, LIGHT), "light levels of HDR"),
}
"""Metadata in messages."""
_GREY = ("1", "L", "LA", "I;16")
_DAMAGE = (OSError, ValueError, SyntaxError, EOFError, KeyError, Image.DecompressionBombError)


@dataclass(frozen=True)
class Animation:
    """An animated image.

    ``format``: name of the format, as Pillow calls it.
    ``size``: (height, width).
    ``durations``: display time of each frame in milliseconds.
    ``plays``: number of times it is played; 0 is forever.
    ``grey``: all frames are greyscale.
    ``alpha``: some pixels are not opaque. ``soft``: some are partly transparent.
    ``still``: the first frame is shown only by programs that do not animate.
    ``lossless``: stored exactly in a format that can be lossy.
    ``kept``: metadata by the keys of `Picture.info`.
    ``notes``: parts of the file that are lost.
    """

    path: Path
    format: str
    size: tuple[int, int]
    durations: tuple[float, ...]
    plays: int
    grey: bool
    alpha: bool
    soft: bool
    still: bool
    lossless: bool
    kept: dict[str, Any]
    notes: tuple[str, ...] = ()

    @property
    def moving_durations(self) -> tuple[float, ...]:
        """Display times of the frames that are part of the animation."""
        return self.durations[1:] if self.still else self.durations

    def pictures(self) -> Iterator[Picture]:
        """Yield each frame, composed with those before it, in uint8; H x W if greyscale. Raises
        `ImageError`."""
        with _opened(self.path) as file:
            for number in range(len(self.durations)):
                with _naming(self.path):
                    file.seek(number)
                    data = np.asarray(_composed(file))
                colours = data[..., 0] if self.grey else data[..., :3]
                yield Picture(
                    np.ascontiguousarray(colours),
                    np.ascontiguousarray(data[..., 3]) if self.alpha else None,
                    {},
                )


def read(path: Path) -> Animation:
    """Read the properties of an animation, decoding all frames once. Raises `ImageError` if the
    file is not an animation or is damaged."""
    with _naming(path), _opened(path) as file:
        if file.width * file.height > MAX_PIXELS:
            raise ImageError(f"{path}: has more than {MAX_PIXELS:,} pixels; refused")
        stored = _stored_as(file.format)
        durations, first, grey = [], dict(file.info), stored.grey
        first_size = file.size
        values = np.zeros(256, np.int64)  # histogram of alpha
        for number in range(getattr(file, "n_frames", 1)):
            file.seek(number)
            if file.size != first_size:  # a GIF's screen grows with a frame that leaves it
                raise ImageError(f"{path}: picture {number + 1} is larger than the first; refused")
            # A GIF without a transparent colour has transparent borders around small frames.
            values += _composed(file).getchannel("A").histogram()
            grey = grey and file.mode in _GREY
            durations.append(float(file.info.get("duration", 0)))
        return Animation(
            path,
            file.format,
            (file.height, file.width),
            tuple(durations),
            stored.plays(file.info),
            grey,
            alpha=bool(values[:255].any()),
            soft=bool(values[1:255].any()),
            still=bool(first.get("default_image")),
            lossless=stored.is_lossless(path),
            kept=_kept(first, stored.unread(path)),
            notes=stored.notes(path),
        )


def _kept(read: dict[str, Any], unread: dict[str, Any]) -> dict[str, Any]:
    """Return metadata by the keys of `Picture.info`, of Pillow's ``info`` and of what it lacks."""
    info = {key: read.get(key) for key in (ICC, EXIF, XMP, COMMENT)}
    packet = read.get(XMP) or read.get("XML:com.adobe.xmp")
    info[XMP] = packet.encode() if isinstance(packet, str) else packet
    info[DPI] = metadata.resolution(read.get(DPI))
    return {key: value for key, value in (info | unread).items() if value}


def _stored_as(name: str) -> AnimationFormat:
    """Return the animations of a format by its name."""
    return next(f.animation for f in ANIMATED.values() if f.animation and f.name == name)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        if isinstance(error, ImageError):
            raise
        raise ImageError(f"{path}: damaged: {error}") from error


def _composed(file: Any) -> Image.Image:
    """Return the current frame in RGBA."""
    if file.mode == "I;16":  # Pillow would clip values at 255
        values = (np.asarray(file).astype(np.uint32) + 128) // 257
        return Image.fromarray(values.astype(np.uint8)).convert("RGBA")
    composed: Image.Image = file.convert("RGBA")
    return composed


def _opened(path: Path) -> Any:
    try:
        return Image.open(path, formats=ANIMATED_NAMES)
    except FileNotFoundError:
        raise ImageError(f"{path}: no such file") from None
    except (OSError, Image.DecompressionBombError) as error:
        raise ImageError(f"{path}: not an animation that can be read") from error


def check_fits(like: Animation, target: Path) -> tuple[str, ...]:
    """Return notes on parts of an animation that the format of ``target`` cannot keep.

    Raises `ImageError` if the format cannot hold animations, or if the animation is too large to
    be written: Pillow holds all frames at once.
    """
    format_ = ANIMATED.get(target.suffix.lower())
    if format_ is None or format_.animation is None:
        known = ", ".join(sorted(ANIMATED))
        raise ImageError(f"{target}: cannot hold an animation; use one of {known}, or .mp4")
    (height, width), count = like.size, len(like.durations)
    if height * width * count > MOST:
        raise ImageError(
            f"{like.path}: its {count} pictures of {width} x {height} have more than {MOST:,} "
            "pixels together; write numbered pictures, such as out/%d.png, or a clip"
        )
    words = names_of(like.kept, format_.animation.keeps, format_)
    notes = (f"an animated {format_.name} cannot store {word}" for word in words)
    return (*like.notes, *notes, *format_.animation.lost(like))


def names_of(
    kept: dict[str, Any], keeps: tuple[str, ...] = (), by: Format | None = None
) -> Iterator[str]:
    """Name the metadata that is not among ``keeps`` of the format ``by``, in words."""
    yield from dict.fromkeys(f"the {_NAMES[k]}" for k in kept if k in _NAMES and k not in keeps)
    for other in FORMATS:
        if other is not by:
            yield from other.private(kept)


def write(
    like: Animation,
    pictures: Iterator[Picture],
    target: Path,
    mark: str = "",
    ready: Callable[[Path], object] = lambda temporary: None,
) -> None:
    """Write frames with the times of an animation, in the format of the target's suffix,
    completely or not at all.

    Equal consecutive frames may be merged into one with the sum of their times. All frames are
    held in memory: Pillow needs all of them before it writes the first.

    Args:
        mark, ready: as for `atomic_path`.

    Raises:
        ImageError: as `check_fits` does, and if writing fails.
    """
    check_fits(like, target)
    format_ = ANIMATED[target.suffix.lower()]
    stored = format_.animation or AnimationFormat()
    first, *others = (stored.image(picture) for picture in pictures)
    try:
        with atomic_path(target, mark, ready) as temporary:
            first.save(
                temporary,
                format=format_.name,
                save_all=True,
                append_images=others,
                duration=stored.durations(like),
                **stored.options(like),
            )
            content = temporary.read_bytes()
            if (completed := stored.completed(content, like)) != content:
                temporary.write_bytes(completed)
    except (OSError, ValueError) as error:
        if isinstance(error, ImageError):
            raise
        raise ImageError(f"{target}: cannot be written as {format_.name}: {error}") from error
