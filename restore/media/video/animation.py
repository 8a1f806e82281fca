"""Animated GIF, WebP and PNG: their pictures, how long each is shown, and how often all are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from restore.errors import ImageError
from restore.files import atomic_path
from restore.media.image import MAX_PIXELS
from restore.media.picture import Picture
from restore.media.video.kinds import ANIMATIONS

_TRANSPARENT = 255
"""The entry of a GIF's palette that is not shown."""
_CLEARED = 2
"""Disposal: what is shown is taken away before the next."""


@dataclass(frozen=True)
class Animation:
    """``durations`` in milliseconds, one a picture; ``plays``: how often, 0 for ever; ``still``:
    the first picture is no part of it, but for programs that show one alone; ``kept``: what
    Pillow writes as it read it."""

    path: Path
    durations: tuple[float, ...]
    plays: int
    alpha: bool
    still: bool
    kept: dict[str, Any]

    def pictures(self) -> Iterator[Picture]:
        """Each as it is seen, whole, in uint8."""
        with _opened(self.path) as file:
            for number in range(len(self.durations)):
                file.seek(number)
                data = np.asarray(file.convert("RGBA"))
                yield Picture(
                    np.ascontiguousarray(data[..., :3]),
                    np.ascontiguousarray(data[..., 3]) if self.alpha else None,
                    {},
                )


def read(path: Path) -> Animation:
    """Look through an animation. Raises `ImageError` for a file that is none, or damaged."""
    try:
        with _opened(path) as file:
            if file.width * file.height > MAX_PIXELS:
                raise ImageError(f"{path}: has more than {MAX_PIXELS:,} pixels; refused")
            durations, alpha, first = [], False, dict(file.info)
            for number in range(getattr(file, "n_frames", 1)):
                file.seek(number)
                # Also a GIF without a transparent colour leaves gaps around small pictures.
                alpha = file.convert("RGBA").getextrema()[3] != (255, 255) or alpha
                durations.append(float(file.info.get("duration", 0)))
            kept = {k: first[k] for k in ("icc_profile", "exif", "xmp", "comment") if first.get(k)}
            return Animation(
                path, tuple(durations), _plays(file), alpha, bool(first.get("default_image")), kept
            )
    except (OSError, ValueError, SyntaxError, EOFError, KeyError) as error:
        if isinstance(error, ImageError):
            raise
        raise ImageError(f"{path}: damaged: {error}") from error


def _opened(path: Path) -> Any:
    try:
        return Image.open(path)
    except FileNotFoundError:
        raise ImageError(f"{path}: no such file") from None
    except (OSError, Image.DecompressionBombError) as error:
        raise ImageError(f"{path}: not an animation that can be read") from error


def _plays(file: Any) -> int:
    loop = file.info.get("loop")
    if file.format == "GIF":  # which counts repetitions, and without a word plays once
        return 1 if loop is None else 0 if loop == 0 else loop + 1
    return int(loop or 0)


def write(like: Animation, pictures: Iterator[Picture], target: Path) -> None:
    """Write pictures with the times of an animation, in the format of ``target``'s suffix, whole
    or not at all. Equal neighbours may become one, shown as long as both.

    Raises `ImageError`, also where the format cannot show the animation.
    """
    format_ = ANIMATIONS.get(target.suffix.lower())
    if format_ is None:
        known = ", ".join(ANIMATIONS)
        raise ImageError(f"{target}: cannot hold an animation; use one of {known}, or .mp4")
    first, *others = (_image(picture, format_) for picture in pictures)
    try:
        with atomic_path(target) as temporary:
            first.save(
                temporary,
                format=format_,
                save_all=True,
                append_images=others,
                duration=[round(d) if format_ != "PNG" else d for d in _of_moving(like)],
                **_options(like, format_),
            )
    except (OSError, ValueError) as error:
        if isinstance(error, ImageError):
            raise
        raise ImageError(f"{target}: cannot be written as {format_}: {error}") from error


def _of_moving(like: Animation) -> tuple[float, ...]:
    return like.durations[1:] if like.still else like.durations


def _options(like: Animation, format_: str) -> dict[str, Any]:
    if format_ == "GIF":
        loop = {} if like.plays == 1 else {"loop": max(0, like.plays - 1)}
        clear = {"transparency": _TRANSPARENT, "disposal": _CLEARED} if like.alpha else {}
        comment = {"comment": like.kept["comment"]} if "comment" in like.kept else {}
        return {**loop, **clear, **comment, "optimize": False}
    kept = {name: value for name, value in like.kept.items() if name != "comment"}
    if format_ == "PNG":
        kept.pop("xmp", None)
        return {**kept, "loop": like.plays, "default_image": like.still}
    quality = {"quality": 95, "alpha_quality": 100, "exact": True, "method": 4}
    return {**kept, **quality, "loop": like.plays}


def _image(picture: Picture, format_: str) -> Image.Image:
    rgb = Image.fromarray(picture.pixels)
    if format_ != "GIF":
        if picture.alpha is None:
            return rgb
        return Image.fromarray(np.dstack((picture.pixels, picture.alpha)))
    colours = 256 if picture.alpha is None else _TRANSPARENT
    image = rgb.quantize(colours, dither=Image.Dither.FLOYDSTEINBERG)
    if picture.alpha is not None:
        data = np.asarray(image).copy()
        data[picture.alpha < 128] = _TRANSPARENT
        palette = image.getpalette()
        image = Image.fromarray(data)
        image.putpalette(palette or [])
        image.info["transparency"] = _TRANSPARENT
    return image
