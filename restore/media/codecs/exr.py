"""OpenEXR, by the library of its makers: an extra."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from restore.errors import ImageError
from restore.media.codecs import assemble
from restore.media.codecs.extra import library_of, on_disk
from restore.media.codecs.quiet import quiet
from restore.media.formats import EXR
from restore.media.picture import Picture

MAGIC = (b"\x76\x2f\x31\x01",)
_HALF, _GLOW = "exr_half", "exr_glow"
"""In `Picture.info`: that it had halves; that colours without any alpha are light all the same."""


def size(stream: BinaryIO) -> tuple[int, int]:
    """(height, width) that the file claims."""
    with _opened(stream, header_only=True) as file:
        (left, top), (right, bottom) = file.header()["dataWindow"]
    return int(bottom - top + 1), int(right - left + 1)


@contextmanager
def _opened(stream: BinaryIO, **options: bool) -> Iterator[Any]:
    library = library_of(EXR)
    with tempfile.TemporaryDirectory() as folder:
        path = str(on_disk(stream, folder, ".exr"))
        with quiet():
            try:
                file = library.File(path, **options)
            except RuntimeError:
                file = None
        if file is None or not file.parts:  # which it says without raising anything
            raise ImageError("ends early, or is damaged")
        with file:
            yield file


def decode(stream: BinaryIO) -> Picture:
    """Its Y or R, G, B and A; colours multiplied by their alpha, which is OpenEXR's custom, are
    divided by it."""
    with _opened(stream, separate_channels=True) as file:
        planes = {name: channel.pixels for name, channel in file.channels().items()}
    wanted = ("Y",) if "R" not in planes else ("R", "G", "B")
    missing = [name for name in wanted if name not in planes]
    if missing:
        raise ImageError(f"has the channels {', '.join(sorted(planes))}; R, G, B or Y are known")
    half = planes[wanted[0]].dtype == np.float16
    chosen = [*wanted, "A"] if "A" in planes else list(wanted)
    data = np.dstack([planes[name] for name in chosen]).astype(np.float32)
    if "A" in planes:
        data = assemble.without_multiplied_alpha(data)
    dropped = sorted(set(planes) - set(chosen))
    notes = (f"its channels {', '.join(dropped)} are not kept",) if dropped else ()
    return assemble.picture(data, {_HALF: half, _GLOW: "A" in planes}, notes)


def encode(picture: Picture) -> bytes:
    library = library_of(EXR)
    as_half = picture.info.get(_HALF) and not picture.info.get("bit_depth")
    kind = np.float16 if as_half else np.float32
    pixels = picture.pixels if picture.pixels.ndim == 3 else picture.pixels[..., None]
    names = ("R", "G", "B") if pixels.shape[2] == 3 else ("Y",)
    planes = dict(zip(names, np.moveaxis(pixels, 2, 0), strict=True))
    if picture.alpha is not None:
        alpha = picture.alpha
        weight = np.where(alpha == 0, np.float32(1), alpha) if picture.info.get(_GLOW) else alpha
        planes = {name: plane * weight for name, plane in planes.items()}
        planes["A"] = picture.alpha
    channels = {name: np.ascontiguousarray(plane, kind) for name, plane in planes.items()}
    header = {"compression": library.ZIP_COMPRESSION, "type": library.scanlineimage}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture.exr"
        library.File(header, channels).write(str(path))
        return path.read_bytes()
