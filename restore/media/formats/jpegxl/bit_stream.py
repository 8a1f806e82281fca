"""Bit streams of JPEG XL: numbers of its header (ISO/IEC 18181-1, annex B), lowest bits first."""

from __future__ import annotations

import struct
from collections.abc import Iterable

from restore.errors import ImageError

Form = tuple[int, int]
"""Bits to read, and the offset added to them."""
ENUMERATION: tuple[Form, ...] = ((0, 0), (0, 1), (4, 2), (6, 18))
_U64: tuple[Form, ...] = ((0, 0), (4, 1), (8, 17))
_LAST_SHIFT = 60


class BitReader:
    """Reads bits of ``content`` from bit ``at`` on. Raises `ImageError` beyond the end."""

    def __init__(self, content: bytes, at: int = 0) -> None:
        self._content, self._end, self.at = content, 8 * len(content), at

    def bits(self, count: int) -> int:
        if self.at + count > self._end:  # before reading: damaged files ask for any number
            raise ImageError("is damaged: its header ends too early")
        value = self.peeked(count)
        self.at += count
        return value

    def peeked(self, count: int) -> int:
        """Return bits that stay unread, zeros beyond the end."""
        word = int.from_bytes(self._content[self.at >> 3 : (self.at + count + 7) >> 3], "little")
        return (word >> (self.at & 7)) & ((1 << count) - 1)

    def flag(self) -> bool:
        return bool(self.bits(1))

    def u32(self, forms: tuple[Form, ...]) -> int:
        """Read a number in the one of four forms that its first two bits name."""
        length, offset = forms[self.bits(2)]
        return self.bits(length) + offset

    def u64(self) -> int:
        if (kind := self.bits(2)) < len(_U64):
            length, offset = _U64[kind]
            return self.bits(length) + offset
        value, shift = self.bits(12), 12
        while shift <= _LAST_SHIFT and self.flag():
            value |= self.bits(4 if shift == _LAST_SHIFT else 8) << shift
            shift += 8
        return value

    def stated_length(self, size: int) -> int:
        """Read a number of 0 or more bits, whose count is stated in ``size`` bits."""
        if not self.flag():
            return 0
        length = self.bits(size)
        return self.bits(length) + (1 << length)

    def f16(self) -> float:
        return float(struct.unpack("<e", self.bits(16).to_bytes(2, "little"))[0])

    def aligned(self) -> int:
        """Return the offset of the next whole byte."""
        return -(-self.at // 8)


class BitWriter:
    """Collects bits, lowest first."""

    def __init__(self) -> None:
        self.value, self.length = 0, 0

    def bits(self, value: int, count: int) -> BitWriter:
        self.value |= value << self.length
        self.length += count
        return self

    def several(self, parts: Iterable[tuple[int, int]]) -> BitWriter:
        """Append (value, count) of several numbers."""
        for value, count in parts:
            self.bits(value, count)
        return self

    def u32(self, value: int, forms: tuple[Form, ...]) -> BitWriter:
        """Append a number in the first form that holds it. Raises `ValueError` if none does."""
        for kind, (length, offset) in enumerate(forms):
            if 0 <= value - offset < 1 << length:
                return self.bits(kind, 2).bits(value - offset, length)
        raise ValueError(f"{value} is too large")

    def u64(self, value: int) -> BitWriter:
        if value < 1 << 8:
            return self.u32(value, _U64)
        self.bits(3, 2).bits(value & 0xFFF, 12)
        value >>= 12
        while value:
            self.bits(1, 1).bits(value & 0xFF, 8)
            value >>= 8
        return self.bits(0, 1)

    def f16(self, value: float) -> BitWriter:
        return self.bits(int.from_bytes(struct.pack("<e", value), "little"), 16)

    def aligned(self) -> bytes:
        """Return all bits, with zeros up to a whole byte."""
        return self.value.to_bytes(-(-self.length // 8), "little")
