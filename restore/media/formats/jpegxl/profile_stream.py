"""ICC profiles in the header of JPEG XL (ISO/IEC 18181-1, annex E.4).

A profile is turned into commands and the bytes that they do not predict; both are entropy coded.
Profiles are written without predictions, which every reader supports.
"""

from __future__ import annotations

import struct

import numpy as np

from restore.errors import ImageError
from restore.media.formats.jpegxl.bit_stream import BitReader, BitWriter
from restore.media.formats.jpegxl.entropy_decoder import EntropyDecoder
from restore.media.formats.jpegxl.prefix_code import ORDER_OF_LENGTHS

_CONTEXTS = 41
_LONGEST, _LONGEST_CODED = 1 << 28, 1 << 22
"""Bytes of a profile. Damaged files can claim any number of symbols of no bits."""
_HEADER = 128
_D50 = struct.pack(">3I", 0xF6D6, 0x10000, 0xD32D)
_PLATFORMS = ((b"A", b"APPL"), (b"M", b"MSFT"), (b"SG", b"SGI "), (b"SU", b"SUNW"))
_STRINGS = (
    *(b"cprt", b"wtpt", b"bkpt", b"rXYZ", b"gXYZ", b"bXYZ", b"kXYZ", b"rTRC", b"gTRC", b"bTRC"),
    *(b"kTRC", b"chad", b"desc", b"chrm", b"dmnd", b"dmdd", b"lumi"),
)
_TYPES = (b"XYZ ", b"desc", b"text", b"mluc", b"para", b"curv", b"sf32", b"gbd ")
_OF_20_BYTES = frozenset((b"rXYZ", b"gXYZ", b"bXYZ", b"kXYZ", b"wtpt", b"bkpt", b"lumi"))
_TAG, _CURVES, _COLUMNS, _FIRST_STRING = 1, 2, 3, 4
_HAS_OFFSET, _HAS_SIZE = 64, 128
_COPY, _PAIRS, _FOURS, _PREDICTED, _XYZ, _FIRST_TYPE = 1, 2, 3, 4, 10, 16
_ALL, _LENGTH_OF_CODES = 256, 8
_UNUSED, _USED = (0, 2), (2, 2)
"""Lengths 0 and 3 in the code of lengths of a prefix code."""
_FLAT_CODE = (
    (0, 1),  # no copies of earlier symbols
    *((1, 1), (0, 2)),  # all contexts use one distribution
    (1, 1),  # which is a prefix code
    *((8, 4), (0, 4), (0, 4)),  # numbers below 256 are symbols
    *((1, 1), (7, 4), (_ALL - 1 - (1 << 7), 7)),  # 256 symbols
    (0, 2),  # whose lengths are coded, all by one symbol
    *(_USED if length == _LENGTH_OF_CODES else _UNUSED for length in ORDER_OF_LENGTHS),
)
"""Parameters of the entropy coder (annex C) for symbols of eight bits each, as (value, bits)."""


def read(reader: BitReader) -> bytes:
    """Read a profile. Raises `ImageError` if it is damaged."""
    size = reader.u64()
    decoder = EntropyDecoder(reader, _CONTEXTS)
    if size > (_LONGEST if decoder.is_plain else _LONGEST_CODED):
        raise ImageError(f"claims a colour profile of {size:,} bytes; refused")
    coded = _plain(reader, size) if decoder.is_plain else _coded(decoder, size)
    try:
        return _Profile(coded).built()
    except (IndexError, struct.error):
        raise ImageError("is damaged: its profile ends too early") from None


def _coded(decoder: EntropyDecoder, size: int) -> bytes:
    made = bytearray()
    before, last = 0, 0
    for place in range(size):
        value = decoder.number(0 if place <= _HEADER else _context(last, before)) & 0xFF
        made.append(value)
        before, last = last, value
    decoder.finish()
    return bytes(made)


def _plain(reader: BitReader, size: int) -> bytes:
    """Read bytes that `write` has written, which are megabytes at times."""
    return _reversed_bits(reader.bits(8 * size).to_bytes(size, "little"))


def _reversed_bits(content: bytes) -> bytes:
    bits = np.unpackbits(np.frombuffer(content, np.uint8))
    return np.packbits(bits, bitorder="little").tobytes()


def _context(last: int, before: int) -> int:
    return 1 + _KIND[last] + 8 * _KIND_BEFORE[before]


def _kind(value: int) -> int:
    if chr(value).isascii() and chr(value).isalpha():
        return 0
    if chr(value) in "0123456789.,":
        return 1
    if value < 16:
        return 2 + min(value, 2)
    return 7 if value <= 240 else 5 + (value == 255)


def _kind_before(value: int) -> int:
    kind = _kind(value)
    return kind if kind < 2 else 2 if value < 16 else 3 if value > 240 else 4


_KIND = [_kind(value) for value in range(256)]
_KIND_BEFORE = [_kind_before(value) for value in range(256)]


class _Stream:
    """Bytes that are read from the front."""

    def __init__(self, content: bytes) -> None:
        self._content, self.at = content, 0

    def __bool__(self) -> bool:
        return self.at < len(self._content)

    def byte(self) -> int:
        self.at += 1
        return self._content[self.at - 1]

    def taken(self, count: int) -> bytes:
        self.at += count
        if self.at > len(self._content):
            raise IndexError
        return self._content[self.at - count : self.at]

    def number(self) -> int:
        value, shift = 0, 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80 or shift > 63:
                return value

    def rest(self) -> bytes:
        return self._content[self.at :]


class _Profile:
    """A profile that is built by commands."""

    def __init__(self, coded: bytes) -> None:
        stream = _Stream(coded)
        self._size = stream.number()
        if self._size > _LONGEST:
            raise ImageError(f"claims a colour profile of {self._size:,} bytes; refused")
        count = stream.number()
        self._commands = _Stream(stream.taken(count))
        self._data = _Stream(stream.rest())
        self._made = bytearray()

    def built(self) -> bytes:
        self._add_header()
        if len(self._made) < self._size:
            self._add_tags()
            while self._commands:
                self._add_content(self._commands.byte())
                if len(self._made) > self._size:
                    break
        if len(self._made) != self._size:
            raise ImageError("is damaged: its profile has another size than it states")
        return bytes(self._made)

    def _add_header(self) -> None:
        for place in range(min(_HEADER, self._size)):
            predicted = _predicted_header(self._made, self._size, place)
            self._made.append((self._data.byte() + predicted) & 0xFF)

    def _add_tags(self) -> None:
        """Add the table of tags (E.4.4)."""
        count = self._commands.number()
        if not count:
            return
        self._made += struct.pack(">I", count - 1)
        start, size = _HEADER + 12 * (count - 1), 0
        while self._commands and (command := self._commands.byte()) & 63:
            tag = self._tag(command & 63)
            start += size
            size = 20 if tag in _OF_20_BYTES else size
            if command & _HAS_OFFSET:
                start = self._commands.number()
            if command & _HAS_SIZE:
                size = self._commands.number()
            following = {_CURVES: (b"gTRC", b"bTRC"), _COLUMNS: (b"gXYZ", b"bXYZ")}
            step = size if command & 63 == _COLUMNS else 0
            for i, name in enumerate((tag, *following.get(command & 63, ()))):
                self._made += name + struct.pack(">2I", (start + i * step) & 0xFFFFFFFF, size)
            if len(self._made) > self._size:
                return

    def _tag(self, code: int) -> bytes:
        if code == _TAG:
            return self._data.taken(4)
        if code < _FIRST_STRING:
            return b"rTRC" if code == _CURVES else b"rXYZ"
        return _STRINGS[code - _FIRST_STRING]

    def _add_content(self, command: int) -> None:
        if command == _COPY:
            self._made += self._data.taken(self._commands.number())
        elif command in (_PAIRS, _FOURS):
            width = 2 if command == _PAIRS else 4
            self._made += _unshuffled(self._data.taken(self._commands.number()), width)
        elif command == _PREDICTED:
            self._add_predicted()
        elif command == _XYZ:
            self._made += b"XYZ \0\0\0\0" + self._data.taken(12)
        elif command >= _FIRST_TYPE:
            self._made += _TYPES[command - _FIRST_TYPE] + bytes(4)
        else:
            raise ImageError("is damaged: its profile has an unknown command")

    def _add_predicted(self) -> None:
        """Add numbers of 1, 2 or 4 bytes by their difference from a linear prediction (E.4.5)."""
        flags = self._commands.byte()
        width, order = (flags & 3) + 1, flags >> 2 & 3
        stride = self._commands.number() if flags & 16 else width
        count = self._commands.number()
        if width == 3 or order == 3 or stride < width or 4 * stride > len(self._made):
            raise ImageError("is damaged: its profile has an invalid prediction")
        differences = _unshuffled(self._data.taken(count), width)
        made, full = self._made, (1 << 8 * width) - 1
        for start in range(0, count, width):
            end = len(made)
            places = (end - stride * back for back in range(1, order + 2))
            earlier = [int.from_bytes(made[at : at + width], "big") for at in places]
            weights = ((1,), (2, -1), (3, -3, 1))[order]
            value = sum(w * v for w, v in zip(weights, earlier, strict=True)) & full
            predicted = value.to_bytes(width, "big")
            pairs = zip(predicted, differences[start : start + width], strict=False)
            made += bytes((a + b) & 0xFF for a, b in pairs)


def _predicted_header(made: bytearray | bytes, size: int, place: int) -> int:
    """Return the usual value of a byte of a profile's header (E.4.3)."""
    if 40 < place < 44:
        for known, platform in _PLATFORMS:
            if made[40:place].startswith(known):
                return platform[place - 40]
    if 80 <= place < 84:
        return made[place - 76]
    usual = bytearray(_HEADER)
    usual[:4], usual[8] = struct.pack(">I", size), 4
    usual[12:24], usual[36:40], usual[68:80] = b"mntrRGB XYZ ", b"acsp", _D50
    return usual[place]


def _unshuffled(content: bytes, width: int) -> bytes:
    """Interleave the first, second, ... bytes of numbers, which are stored apart."""
    height = -(-len(content) // width)
    return b"".join(content[row::height] for row in range(height))


def write(profile: bytes, writer: BitWriter) -> None:
    """Write a profile without predictions, by a code of eight bits for every byte."""
    coded = _without_predictions(profile)
    writer.u64(len(coded)).several(_FLAT_CODE)
    writer.bits(int.from_bytes(_reversed_bits(coded), "little"), 8 * len(coded))


def _without_predictions(profile: bytes) -> bytes:
    commands = b""
    if len(profile) > _HEADER:
        no_tags = b"\0"
        commands = no_tags + bytes((_COPY,)) + _number(len(profile) - _HEADER)
    head = bytes(
        (value - _predicted_header(profile, len(profile), place)) & 0xFF
        for place, value in enumerate(profile[:_HEADER])
    )
    lengths = _number(len(profile)) + _number(len(commands))
    return lengths + commands + head + profile[_HEADER:]


def _number(value: int) -> bytes:
    made = bytearray()
    while value > 0x7F:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*made, value))
