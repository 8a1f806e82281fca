"""PNG: 8 bits by Pillow, 16 bits by imagecodecs; by rows; animated.

`png_chunks` holds the structure of the file, `png_metadata` the chunks that describe the image,
`png_rows` reading and writing by rows.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

import numpy as np
from PIL import ImageFile, PngImagePlugin

from restore.errors import ImageError
from restore.media import assembly, metadata
from restore.media.file_rows import pictured, probe
from restore.media.formats import pillow_helpers
from restore.media.formats.animation_format import AnimationFormat
from restore.media.formats.format import Format, check_size
from restore.media.formats.png_chunks import (
    LENGTH_OF_HEADER,
    SIGNATURE,
    chunk,
    chunks,
    header,
    mended,
    repixelled,
)
from restore.media.formats.png_metadata import CHUNKS, described, kept_chunks, private, stated
from restore.media.formats.png_rows import CHANNELS, PngRows, PngSink
from restore.media.picture import (
    CICP,
    DPI,
    EXIF,
    ICC,
    LIGHT,
    LINEAR,
    MASTERING,
    XMP,
    Picture,
)

if TYPE_CHECKING:
    from restore.media.video.animation import Animation

_T = TypeVar("_T")
_NAME = "PNG"
_LONGEST_CHUNK = 16 << 20
"""Bytes of a decompressed profile or text. Printers' profiles exceed Pillow's limit."""
_NOT_BY_ROWS = (b"tRNS", b"acTL")
"""Chunks with a transparent colour, and with an animation."""
_limiting = threading.Lock()


def recognises(head: bytes) -> bool:
    return head.startswith(SIGNATURE)


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
            return pillow_helpers.identified(stream, _NAME)
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


def encode(picture: Picture) -> bytes:
    import imagecodecs

    content = imagecodecs.png_encode(assembly.stacked(picture), level=6)
    after_header = len(SIGNATURE) + LENGTH_OF_HEADER
    written = (chunk(name, body) for name, body in described(picture.info))
    return b"".join((content[:after_header], *written, content[after_header:]))


def by_rows(path: Path, stream: BinaryIO, least: int, most: int) -> Picture | None:
    """Open a PNG of 8 or 16 bits as rows, unless it is interlaced or has a palette, a transparent
    colour or an animation."""
    head = header(stream)
    if head is None or head.interlaced or not least <= head.width * head.height <= most:
        return None
    if head.depth not in (8, 16) or head.colour not in CHANNELS:
        return None
    if any(name in _NOT_BY_ROWS for name, _ in chunks(stream)):
        return None
    channels, dtype = CHANNELS[head.colour], np.dtype(f"u{head.depth // 8}")
    lines = probe(channels, dtype).astype(dtype.newbyteorder(">")).reshape(2, -1).view(np.uint8)
    unfiltered = np.pad(lines, ((0, 0), (1, 0))).tobytes()
    small = repixelled(stream, head._replace(width=2, height=2), unfiltered)
    return pictured(decode(BytesIO(small), most), PngRows(path, stream, head))


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


PNG = Format(
    _NAME,
    (".png",),
    recognises,
    decode,
    encode,
    size=size,
    aliases=(".apng",),
    depths=("8", "16"),
    keeps=(ICC, EXIF, XMP, DPI, LINEAR, CHUNKS, CICP, MASTERING, LIGHT),
    private=private,
    by_rows=by_rows,
    sink=PngSink,
    animation=PngAnimation(),
)
