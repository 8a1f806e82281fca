"""Animated GIF, WebP and PNG: their pictures, how long each is shown, and how often all are."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from restore.errors import ImageError
from restore.files import atomic_path
from restore.media.formats import CALLED, EXIF, ICC, XMP
from restore.media.image import MAX_PIXELS
from restore.media.picture import Picture
from restore.media.video.kinds import ANIMATIONS

_TRANSPARENT = 255
"""The entry of a GIF's palette that is not shown."""
MOST = 500_000_000
"""Pixels of all pictures together, of which each takes up to four bytes, and as much again while
they are written."""
_CLEARED = 2
"""Disposal: what is shown is taken away before the next."""


_KEEPS = {"GIF": ("comment",), "WEBP": (ICC, EXIF, XMP), "PNG": (ICC, EXIF)}
_GREY = ("1", "L", "LA", "I;16")


@dataclass(frozen=True)
class Animation:
    """``size`` is (height, width); ``durations`` in milliseconds, one a picture; ``plays``: how
    often, 0 for ever; ``alpha``: whether anything is seen through it, ``soft`` in part; ``still``:
    the first picture is no part of it, but for programs that show one alone; ``lossless``: a WebP
    of exact pixels; ``kept``: what Pillow writes as it read it; ``notes``: what of the file is not
    in the pictures."""

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

    def pictures(self) -> Iterator[Picture]:
        """Each as it is seen, whole, in uint8; grey ones H x W. Raises `ImageError`."""
        with _opened(self.path) as file:
            for number in range(len(self.durations)):
                with _naming(self.path):
                    file.seek(number)
                    data = np.asarray(_seen(file))
                colours = data[..., 0] if self.grey else data[..., :3]
                yield Picture(
                    np.ascontiguousarray(colours),
                    np.ascontiguousarray(data[..., 3]) if self.alpha else None,
                    {},
                )


def read(path: Path) -> Animation:
    """Look through an animation. Raises `ImageError` for a file that is none, or damaged."""
    with _naming(path), _opened(path) as file:
        if file.width * file.height > MAX_PIXELS:
            raise ImageError(f"{path}: has more than {MAX_PIXELS:,} pixels; refused")
        durations, first, grey = [], dict(file.info), file.format == "PNG"
        values = np.zeros(256, np.int64)  # how often each of alpha's is met
        for number in range(getattr(file, "n_frames", 1)):
            file.seek(number)
            # Also a GIF without a transparent colour leaves gaps around small pictures.
            values += _seen(file).getchannel("A").histogram()
            grey = grey and file.mode in _GREY
            durations.append(float(file.info.get("duration", 0)))
        return Animation(
            path,
            file.format,
            (file.height, file.width),
            tuple(durations),
            _plays(file),
            grey,
            alpha=bool(values[:255].any()),
            soft=bool(values[1:255].any()),
            still=bool(first.get("default_image")),
            lossless=file.format == "WEBP" and _is_lossless(path.read_bytes()),
            kept={k: first[k] for k in (ICC, EXIF, XMP, "comment") if first.get(k)},
            notes=_deep(path) if file.format == "PNG" else (),
        )


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, SyntaxError, EOFError, KeyError) as error:
        if isinstance(error, ImageError):
            raise
        raise ImageError(f"{path}: damaged: {error}") from error


def _seen(file: Any) -> Image.Image:
    """The picture that the file stands at, in RGBA."""
    if file.mode == "I;16":  # of which Pillow would cut off all beyond 255
        values = (np.asarray(file).astype(np.uint32) + 128) // 257
        return Image.fromarray(values.astype(np.uint8)).convert("RGBA")
    seen: Image.Image = file.convert("RGBA")
    return seen


def _deep(path: Path) -> tuple[str, ...]:
    with open(path, "rb") as file:
        bits = file.read(25)[-1]  # in the header, which comes first
    return ("16 bits a channel become 8: animations are restored in 8",) if bits == 16 else ()


def _is_lossless(content: bytes) -> bool:
    """Whether all pictures of an animated WebP were kept exactly (RFC 9649, 2.7)."""
    coded = {
        name
        for part, start, end in _chunks(content, 12, len(content))
        if part == b"ANMF"
        for name, _, _ in _chunks(content, start + 16, end)
    }
    return b"VP8L" in coded and b"VP8 " not in coded


def _chunks(content: bytes, place: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """(name, where its contents begin, where they end) of each part of a RIFF file."""
    while place + 8 <= end:
        name, length = struct.unpack_from("<4sI", content, place)
        yield name, place + 8, min(place + 8 + length, end)
        place += 8 + length + length % 2


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


def check_fits(like: Animation, target: Path) -> tuple[str, ...]:
    """Notes of what of an animation the format of ``target`` has no place for.

    Raises `ImageError` where the format cannot show it, or where it is too large to be written:
    Pillow holds all its pictures at once.
    """
    format_ = ANIMATIONS.get(target.suffix.lower())
    if format_ is None:
        known = ", ".join(ANIMATIONS)
        raise ImageError(f"{target}: cannot hold an animation; use one of {known}, or .mp4")
    (height, width), count = like.size, len(like.durations)
    if height * width * count > MOST:
        raise ImageError(
            f"{like.path}: its {count} pictures of {width} x {height} have more than {MOST:,} "
            "pixels together; write numbered pictures, such as out/%d.png, or a clip"
        )
    notes = [*like.notes]
    for key in like.kept:
        if key not in _KEEPS[format_]:
            called = CALLED.get(key, key)
            notes.append(f"an animated {format_} has no place for the {called}")
    if format_ == "GIF" and like.soft:
        notes.append("GIF has pixels seen or not seen: transparency in part is lost")
    if format_ == "GIF" and like.format != "GIF":
        notes.append("GIF has no more than 256 colours")
    return tuple(notes)


def write(like: Animation, pictures: Iterator[Picture], target: Path) -> None:
    """Write pictures with the times of an animation, in the format of ``target``'s suffix, whole
    or not at all. Equal neighbours may become one, shown as long as both. All are held in memory
    until the last one is there: Pillow looks through them before it writes.

    Raises `ImageError`, also as `check_fits` does.
    """
    check_fits(like, target)
    format_ = ANIMATIONS[target.suffix.lower()]
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
    kept = {name: value for name, value in like.kept.items() if name in _KEEPS[format_]}
    if format_ == "PNG":
        return {**kept, "loop": like.plays, "default_image": like.still}
    quality = {"lossless": True} if like.lossless else {"quality": 95, "alpha_quality": 100}
    return {**kept, **quality, "exact": True, "method": 4, "loop": like.plays}


def _image(picture: Picture, format_: str) -> Image.Image:
    rgb = Image.fromarray(picture.pixels)
    if format_ != "GIF":
        if picture.alpha is not None:
            rgb.putalpha(Image.fromarray(picture.alpha))
        return rgb
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
