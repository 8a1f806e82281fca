"""PNG: 16 bits read, 8 and 16 written, with every chunk that says something of the picture."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from io import BytesIO
from typing import Any, BinaryIO, NamedTuple

from PIL import ImageFile

from restore.errors import ImageError
from restore.media import metadata
from restore.media.codecs import assemble, pillow
from restore.media.formats import DPI, EXIF, ICC, LINEAR, XMP
from restore.media.picture import Picture

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_LENGTH_OF_HEADER = 25
"""Of IHDR: length, name, 13 bytes and checksum."""
_IHDR = struct.Struct(">IIBBBBB")
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""By colour type."""
BLOCK = 1 << 20
"""Bytes of lines that are inflated at a time, about."""
_PIECE = 1 << 16
_FAST = 1
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


class Header(NamedTuple):
    """What IHDR says (PNG specification, third edition, 11.2.1)."""

    width: int
    height: int
    depth: int
    colour: int
    compression: int = 0
    filtering: int = 0
    interlaced: int = 0

    @property
    def line(self) -> int:
        """Bytes of a row of pixels with its filter, where they are not interlaced."""
        return 1 + -(-self.width * self.depth * _CHANNELS[self.colour] // 8)

    @property
    def start(self) -> bytes:
        """The beginning of the file."""
        return SIGNATURE + chunk(b"IHDR", _IHDR.pack(*self))

    def file(self, *parts: bytes) -> bytes:
        """A PNG of these chunks."""
        return b"".join((self.start, *parts, chunk(b"IEND", b"")))


def header(stream: BinaryIO) -> Header | None:
    """Of a PNG; None where it is damaged, as nothing else says what its pixels are, or of a kind
    that nobody has defined."""
    stream.seek(0)
    start = stream.read(len(SIGNATURE) + _LENGTH_OF_HEADER)
    if len(start) < len(SIGNATURE) + _LENGTH_OF_HEADER:
        return None
    found = Header(*_IHDR.unpack(start[16:-4]))
    known = found.colour in _CHANNELS and not found.compression and not found.filtering
    return found if known and found.start == start else None


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
    """Name and length of each chunk between the header and IEND, behind which anything may stand,
    with the stream where its content begins; of one that the file cuts short, what is there."""
    place, end = len(SIGNATURE) + _LENGTH_OF_HEADER, stream.seek(0, 2)
    while True:
        stream.seek(place)
        head = stream.read(8)
        if len(head) < 8 or head[4:] == b"IEND":
            return
        length, name = struct.unpack(">I4s", head)
        yield name, min(length, end - place - 8)
        place += length + 12


def inflated(stream: BinaryIO, size: int, count: int) -> Iterator[bytes]:
    """``count`` filtered lines of ``size`` bytes, some at a time; fewer where the file ends early.

    The checksums of chunks do not count: the pixels have one of their own. Raises `zlib.error`
    where that, or what it is of, is wrong.
    """
    step = max(1, BLOCK // size)
    inflate = zlib.decompressobj()
    lines = bytearray()
    for packed in _packed(stream):
        while packed and count:
            wanted = min(step, count) * size
            lines += inflate.decompress(packed, wanted - len(lines))
            packed = inflate.unconsumed_tail
            if len(lines) == wanted:
                yield bytes(lines)
                count -= wanted // size
                lines.clear()
        if not count:
            return


def _packed(stream: BinaryIO) -> Iterator[bytes]:
    """What is in the chunks of pixels."""
    for name, length in chunks(stream):
        while name == b"IDAT" and length and (piece := stream.read(min(length, _PIECE))):
            length -= len(piece)
            yield piece


def mended(stream: BinaryIO, most: int) -> BinaryIO | None:
    """A PNG anew, with checksums that are right and its pixels in one piece: libraries refuse some
    whose pixels are all there. None for what is no PNG, where its header is damaged, and where its
    pixels are more than ``most`` or interlaced. Raises `zlib.error` and `ImageError` where they are
    damaged."""
    head = header(stream)
    if head is None or head.interlaced or head.width * head.height > most:
        return None
    lines = b"".join(inflated(stream, head.line, head.height))
    if len(lines) < head.line * head.height:
        raise ImageError("ends early")
    return BytesIO(repixelled(stream, head, lines))


def repixelled(stream: BinaryIO, head: Header, lines: bytes) -> bytes:
    """A PNG with another header and other filtered lines in place of its own; all else is kept, and
    all checksums are right."""
    pixels = chunk(b"IDAT", zlib.compress(lines, _FAST))
    parts: list[bytes] = []
    for name, length in chunks(stream):
        if name != b"IDAT":
            parts.append(chunk(name, stream.read(length)))
        elif pixels not in parts:
            parts.append(pixels)
    return head.file(*parts)


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
