"""PNG: 16 bits read, 8 and 16 written, with every chunk that says something of the picture."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO

from PIL import ImageFile

from restore.media import metadata
from restore.media.codecs import assemble, pillow
from restore.media.formats import DPI, EXIF, ICC, LINEAR, XMP
from restore.media.picture import Picture

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_LENGTH_OF_HEADER = 25
"""Of IHDR: length, name, 13 bytes and checksum."""
_XMP_KEY = b"XML:com.adobe.xmp"
TEXTS = frozenset((b"tEXt", b"zTXt", b"iTXt"))
_KEPT = TEXTS | {b"gAMA", b"cHRM", b"sRGB", b"cICP"}
_ELSEWHERE = (_XMP_KEY, b"Raw profile type exif", b"Raw profile type APP1")
"""Texts that hold what `Picture.info` has already."""
_LINEAR_GAMMA = 100_000
_TRANSFER_LINEAR = 8  # of ITU-T H.273, as cICP has it
_OF_SRGB = frozenset(
    (
        (b"gAMA", struct.pack(">I", 45455)),
        (b"gAMA", struct.pack(">I", _LINEAR_GAMMA)),
        (b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)),
        (b"cICP", bytes((1, 13, 0, 1))),
        (b"cICP", bytes((1, _TRANSFER_LINEAR, 0, 1))),
    )
)
"""How chunks say sRGB, or the same colours in linear numbers, which are known as such."""


def decode(stream: BinaryIO, file: ImageFile.ImageFile) -> Picture:
    """A PNG that Pillow has identified as ``file``."""
    place = stream.tell()
    found = ((name, stream.read(length)) for name, length in chunks(stream) if name in _KEPT)
    kept_chunks = tuple(chunk for chunk in found if not _is_elsewhere(*chunk))
    stream.seek(place)  # Pillow goes on from where it is
    info: dict[str, Any] = {"png_chunks": kept_chunks or None, LINEAR: _is_linear(kept_chunks)}
    if not is_deep(file):
        return pillow.decode(file, info)
    import imagecodecs

    own = {ICC: file.info.get(ICC), DPI: metadata.resolution(file.info.get(DPI))}
    data = imagecodecs.png_decode(assemble.peeked(stream))
    file.load()  # which finds EXIF and XMP that stand behind the pixels
    kept, turn, lost = pillow.carried(file)
    turned = assemble.upright(data, turn)
    return assemble.picture(turned, info | own | kept, (*pillow.frames(file), *lost))


def is_deep(file: ImageFile.ImageFile) -> bool:
    return any(";16" in str(tile.args) for tile in file.tile)


def chunks(stream: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Name and length of each chunk behind the header, with the stream where its content begins."""
    place = len(SIGNATURE) + _LENGTH_OF_HEADER
    while True:
        stream.seek(place)
        head = stream.read(8)
        if len(head) < 8:
            return
        length, name = struct.unpack(">I4s", head)
        yield name, length
        place += length + 12


def _is_elsewhere(name: bytes, body: bytes) -> bool:
    return name in TEXTS and body.split(b"\0", 1)[0] in _ELSEWHERE


def _is_linear(chunks: tuple[tuple[bytes, bytes], ...]) -> bool | None:
    """What gamma and code points say of the numbers; None where nothing is said."""
    said = dict(chunks)
    if len(said.get(b"cICP", b"")) == 4:
        return said[b"cICP"][1] == _TRANSFER_LINEAR
    if len(said.get(b"gAMA", b"")) == 4 and b"sRGB" not in said:
        return bool(struct.unpack(">I", said[b"gAMA"])[0] == _LINEAR_GAMMA)
    return None


def has_own_colours(info: dict[str, Any]) -> bool:
    """Whether chunks alone say what the numbers mean, and it is not what they mean elsewhere."""
    chunks = info.get("png_chunks", ())
    if info.get(ICC) or b"sRGB" in dict(chunks):
        return False
    return any(chunk not in _OF_SRGB for chunk in chunks if chunk[0] not in TEXTS)


def encode(picture: Picture) -> bytes:
    import imagecodecs

    content = imagecodecs.png_encode(assemble.stacked(picture), level=6)
    after_header = len(SIGNATURE) + _LENGTH_OF_HEADER
    written = (chunk(name, body) for name, body in described(picture.info))
    return b"".join((content[:after_header], *written, content[after_header:]))


def described(info: dict[str, Any]) -> Iterator[tuple[bytes, bytes]]:
    """The chunks of a picture's `Picture.info` (PNG specification, third edition, 11.3)."""
    if profile := info.get(ICC):
        yield b"iCCP", b"icc\0\0" + zlib.compress(profile)
    elif info.get(LINEAR) and not info.get("png_chunks"):
        yield b"gAMA", struct.pack(">I", _LINEAR_GAMMA)
    yield from info.get("png_chunks", ())
    if dpi := info.get(DPI):
        yield b"pHYs", struct.pack(">IIB", *(round(v / 0.0254) for v in dpi), 1)
    if exif := info.get(EXIF):
        yield b"eXIf", exif.removeprefix(b"Exif\0\0")
    if packet := info.get(XMP):
        yield b"iTXt", _XMP_KEY + b"\0\0\0\0\0" + packet


def chunk(name: bytes, content: bytes) -> bytes:
    """With its length and checksum."""
    body = name + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))
