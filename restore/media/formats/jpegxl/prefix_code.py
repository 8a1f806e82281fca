"""Prefix codes of JPEG XL, which are those of Brotli (RFC 7932, 3.2 to 3.5)."""

from __future__ import annotations

from collections.abc import Callable

from restore.errors import ImageError
from restore.media.formats.jpegxl.bit_stream import BitReader

PREFIX_BITS = 15
ORDER_OF_LENGTHS = (1, 2, 3, 4, 0, 5, 17, 6, 16, 7, 8, 9, 10, 11, 12, 13, 14, 15)
"""Symbols in the order in which the lengths of their codes are stored."""
_LENGTHS = {(2, 0): 0, (2, 1): 4, (2, 2): 3, (3, 3): 2, (4, 7): 1, (4, 15): 5}
"""The code of these lengths, by (length, bits)."""
_REPEAT, _ZEROS = 16, 17
_SPACE = 1 << 15


class PrefixCode:
    """A code for ``size`` symbols, which is read from ``reader`` as its symbols are."""

    def __init__(self, reader: BitReader, size: int) -> None:
        lengths = [1] if size == 1 else _code_lengths(reader, size)
        self.is_plain = lengths == [8] * 256
        """Whether symbols are bytes with their bits reversed."""
        self._read = _symbols(lengths, reader)

    def __call__(self) -> int:
        return self._read()


def _symbols(lengths: list[int], reader: BitReader) -> Callable[[], int]:
    """Return a function that reads a symbol by the lengths of all codes."""
    used = [symbol for symbol, length in enumerate(lengths) if length]
    if len(used) <= 1:
        only = used[0] if used else 0
        return lambda: only
    table, longest = _table(lengths)

    def symbol() -> int:
        found, length = table[reader.peeked(longest)]
        reader.bits(length)
        return found

    return symbol


def _table(lengths: list[int]) -> tuple[list[tuple[int, int]], int]:
    """Return (symbol, length) for all bits that may follow, and their number."""
    longest = max(lengths)
    table = [(0, 0)] * (1 << longest)
    code, before = 0, 0
    for length, symbol in sorted((n, s) for s, n in enumerate(lengths) if n):
        code <<= length - before
        before = length
        for place in range(int(f"{code:0{length}b}"[::-1], 2), 1 << longest, 1 << length):
            table[place] = (symbol, length)
        code += 1
    return table, longest


def _code_lengths(reader: BitReader, size: int) -> list[int]:
    """Read the length of the code of each symbol."""
    skipped = reader.bits(2)
    if skipped == 1:
        return _simple(reader, size)
    of_lengths = [0] * len(ORDER_OF_LENGTHS)
    space = 32
    for place in ORDER_OF_LENGTHS[skipped:]:
        if space <= 0:
            break
        count = next(n for n in (2, 3, 4) if (n, reader.peeked(n)) in _LENGTHS)
        of_lengths[place] = _LENGTHS[count, reader.bits(count)]
        space -= 32 >> of_lengths[place] if of_lengths[place] else 0
    used = sum(length > 0 for length in of_lengths)
    if used != 1 and space:
        raise ImageError("is damaged: its profile has an invalid code")
    return _expanded(_symbols(of_lengths, reader), reader, size)


def _expanded(symbol: Callable[[], int], reader: BitReader, size: int) -> list[int]:
    """Read lengths with repetitions."""
    lengths: list[int] = []
    space, previous, repeated, last = _SPACE, 8, 0, 0
    while len(lengths) < size and space > 0:
        code = symbol()
        if code < _REPEAT:
            lengths.append(code)
            repeated = 0
            if code:
                previous = code
                space -= _SPACE >> code
            continue
        value = previous if code == _REPEAT else 0
        extra = code - 14
        if value != last:
            repeated, last = 0, value
        before = repeated
        repeated = ((repeated - 2) << extra if repeated else 0) + reader.bits(extra) + 3
        count = repeated - before
        if len(lengths) + count > size:
            raise ImageError("is damaged: its profile has an invalid code")
        lengths += [value] * count
        space -= count * (_SPACE >> value) if value else 0
    if space:
        raise ImageError("is damaged: its profile has an invalid code")
    return lengths


def _simple(reader: BitReader, size: int) -> list[int]:
    """Read a code of one to four symbols."""
    count = reader.bits(2) + 1
    bits = (size - 1).bit_length()
    symbols = [reader.bits(bits) for _ in range(count)]
    if max(symbols) >= size or len(set(symbols)) < count:
        raise ImageError("is damaged: its profile has an invalid code")
    shapes = {1: (1,), 2: (1, 1), 3: (1, 2, 2), 4: (2, 2, 2, 2)}
    shape = (1, 2, 3, 3) if count == 4 and reader.flag() else shapes[count]
    lengths = [0] * size
    for symbol, length in zip(symbols, shape, strict=True):
        lengths[symbol] = length
    return lengths
