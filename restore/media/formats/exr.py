"""OpenEXR: floats, by the OpenEXR library (an extra)."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from restore.errors import ImageError
from restore.media import assembly
from restore.media.formats.extras import library_of, on_disk
from restore.media.formats.format import Format, check_size
from restore.media.picture import Picture, only_first
from restore.media.silence_stderr import silence_stderr

_NAME, _EXTRA, _LIBRARY = "EXR", "exr", "OpenEXR"
_HALF, _GLOW, _ATTRIBUTES = "exr_half", "exr_glow", "exr_attributes"
"""Keys of `Picture.info`: the file had half floats; colours with alpha 0 still emit light; the
attributes of its header."""
_OF_THE_FILE = frozenset(
    ("channels", "compression", "type", "name", "version", "chunkCount", "tiles", "lineOrder")
)
"""Attributes about how the old pixels are stored."""
_PLACE = ("dataWindow", "displayWindow", "pixelAspectRatio", "screenWindowCenter")
_USUAL = (*_PLACE, "screenWindowWidth")


def recognises(head: bytes) -> bool:
    return head.startswith(b"\x76\x2f\x31\x01")


@contextmanager
def _opened(stream: BinaryIO, **options: bool) -> Iterator[Any]:
    library = library_of(_NAME, _EXTRA, _LIBRARY)
    with tempfile.TemporaryDirectory() as folder:
        path = str(on_disk(stream, folder, ".exr"))
        with silence_stderr():
            try:
                file = library.File(path, **options)
            except RuntimeError:
                file = None
        if file is None or not file.parts:  # for some damage the library raises no error
            raise ImageError("ends early, or is damaged")
        with file:
            yield file


def decode(stream: BinaryIO, max_pixels: int) -> Picture:
    """Read Y or R, G, B, and A. OpenEXR stores colours multiplied by alpha; they are divided by
    it."""
    with _opened(stream, header_only=True) as file:
        attributes = {k: v for k, v in file.header().items() if k not in _OF_THE_FILE}
        parts = len(file.parts)
        (left, top), (right, bottom) = attributes["dataWindow"]
        check_size(int(bottom - top + 1), int(right - left + 1), max_pixels)
    with _opened(stream, separate_channels=True) as file:
        planes = {name: channel.pixels for name, channel in file.channels().items()}
    wanted = ("Y",) if "R" not in planes else ("R", "G", "B")
    missing = [name for name in wanted if name not in planes]
    if missing:
        raise ImageError(
            f"has the channels {', '.join(sorted(planes))}; R, G, B or Y are supported"
        )
    half = planes[wanted[0]].dtype == np.float16
    chosen = [*wanted, "A"] if "A" in planes else list(wanted)
    data = np.dstack([planes[name] for name in chosen]).astype(np.float32)
    if "A" in planes:
        data = assembly.without_multiplied_alpha(data)
    dropped = sorted(set(planes) - set(chosen))
    notes = [f"its channels {', '.join(dropped)} are not kept"] if dropped else []
    notes += [only_first(parts)] if parts > 1 else []
    info = {_HALF: half, _GLOW: "A" in planes, _ATTRIBUTES: attributes}
    return assembly.picture(data, info, tuple(notes))


def private(info: dict[str, Any]) -> Iterator[str]:
    found = info.get(_ATTRIBUTES, {})
    if names := [name for name in found if name not in _USUAL]:
        yield f"the attributes {', '.join(names)} of an EXR"
    if found and not _fills_display(found):
        yield "the place of an EXR in a larger display window"
    if found.get("pixelAspectRatio", 1) != 1:
        yield "the shape of an EXR's pixels"


def _fills_display(attributes: dict[str, Any]) -> bool:
    whole = attributes.get("displayWindow")
    return whole is None or np.array_equal(np.asarray(attributes["dataWindow"]), np.asarray(whole))


def encode(picture: Picture) -> bytes:
    """Write half floats if the input had them and the user has chosen no depth."""
    library = library_of(_NAME, _EXTRA, _LIBRARY)
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
    header |= picture.info.get(_ATTRIBUTES, {})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture.exr"
        library.File(header, channels).write(str(path))
        return path.read_bytes()


EXR = Format(
    _NAME,
    (".exr",),
    recognises,
    decode,
    encode,
    depths=("32f",),
    private=private,
    extra=_EXTRA,
    library=_LIBRARY,
)
