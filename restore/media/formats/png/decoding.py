"""Reading of PNG: 8 bits by Pillow, 16 bits by imagecodecs.

Transparency is an alpha channel, a palette with alpha, or one transparent colour (tRNS): Pillow
makes alpha of all three at 8 bits, imagecodecs at 16.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, BinaryIO, TypeVar

from PIL import ImageFile, PngImagePlugin

from restore.errors import ImageError
from restore.media import assembly, metadata
from restore.media.formats import pillow_helpers
from restore.media.formats.format import check_size
from restore.media.formats.png.chunks import mended
from restore.media.formats.png.descriptive_chunks import kept_chunks, stated
from restore.media.picture import DPI, ICC, Picture

_T = TypeVar("_T")
NAME = "PNG"
_LONGEST_CHUNK = 16 << 20
"""Bytes of a decompressed profile or text. Printers' profiles exceed Pillow's limit."""
_limiting = threading.Lock()


def decode(stream: BinaryIO, max_pixels: int) -> Picture:
    def work(stream: BinaryIO) -> Picture:
        with _identified(stream) as file:
            check_size(file.height, file.width, max_pixels)
            return _decode(stream, file)

    return _or_mended(work, stream, max_pixels)


def size(stream: BinaryIO, max_pixels: int) -> tuple[int, int]:
    def work(stream: BinaryIO) -> tuple[int, int]:
        with _identified(stream) as file:
            return pillow_helpers.size(file)

    return _or_mended(work, stream, max_pixels)


def _identified(stream: BinaryIO) -> ImageFile.ImageFile:
    with _limiting:
        limit, PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_CHUNK, _LONGEST_CHUNK
        try:
            return pillow_helpers.identified(stream, NAME)
        finally:
            PngImagePlugin.MAX_TEXT_CHUNK = limit


def _or_mended(work: Callable[[BinaryIO], _T], stream: BinaryIO, max_pixels: int) -> _T:
    """Run ``work`` on a file and, if a library refuses the file, on a mended copy."""
    try:
        return work(stream)
    except ImageError:
        raise
    except Exception as error:  # decoders raise errors of any type on damaged files
        try:
            again = mended(stream, max_pixels)
            if again is not None:
                return work(again)
        except Exception:
            # The first error describes the file better, unless a false length exhausted memory.
            if isinstance(error, MemoryError):
                raise
        raise


def _decode(stream: BinaryIO, file: ImageFile.ImageFile) -> Picture:
    kept = kept_chunks(stream)
    info = stated(kept)
    if not any(";16" in str(tile.args) for tile in file.tile):
        return pillow_helpers.decode(file, info)
    return _decode_deep(stream, file, info)


def _decode_deep(stream: BinaryIO, file: ImageFile.ImageFile, info: dict[str, Any]) -> Picture:
    """Decode 16 bits per channel."""
    import imagecodecs

    own = {ICC: file.info.get(ICC), DPI: metadata.resolution(file.info.get(DPI))}
    data = imagecodecs.png_decode(assembly.peeked(stream))
    file.load()  # finds EXIF and XMP behind the pixels
    kept, turn, lost = pillow_helpers.carried(file)
    notes = (*pillow_helpers.frames(file), *lost)
    return assembly.picture(assembly.upright(data, turn), info | own | kept, notes)
