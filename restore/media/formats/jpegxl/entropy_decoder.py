"""The entropy decoder of JPEG XL (ISO/IEC 18181-1, annex C), for the profile in its header.

Symbols of several contexts are coded by ANS with alias tables or by prefix codes, with optional
copies of earlier symbols (LZ77).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from restore.errors import ImageError
from restore.media.formats.jpegxl.ans import Ans, Symbols
from restore.media.formats.jpegxl.bit_stream import BitReader
from restore.media.formats.jpegxl.prefix_code import PREFIX_BITS, PrefixCode

_THRESHOLD = ((0, 224), (0, 512), (0, 4096), (15, 8))
_SHORTEST = ((0, 3), (0, 4), (2, 5), (8, 9))
_MOST_HISTOGRAMS = 256


class _Split(NamedTuple):
    """How a number is split into a symbol and plain bits."""

    exponent: int
    high: int
    low: int

    def number(self, symbol: int, reader: BitReader) -> int:
        if symbol < 1 << self.exponent:
            return symbol
        kept = self.high + self.low
        count = self.exponent - kept + ((symbol - (1 << self.exponent)) >> kept)
        if count > 32:
            raise ImageError("is damaged: its profile has a number of more than 32 bits")
        low = symbol & ((1 << self.low) - 1)
        symbol >>= self.low
        high = (1 << self.high) | (symbol & ((1 << self.high) - 1))
        return ((high << count | reader.bits(count)) << self.low) | low


class _Copies(NamedTuple):
    """Parameters of LZ77: symbols from ``threshold`` on are lengths, of ``shortest`` and more."""

    threshold: int
    shortest: int
    split: _Split


class EntropyDecoder:
    """Reads numbers of several contexts, each in the range of its distribution.

    Raises `ImageError` on damaged streams.
    """

    def __init__(self, reader: BitReader, contexts: int) -> None:
        self._reader = reader
        self._copies = _copies(reader)
        if self._copies:
            contexts += 1
        self._clusters = _clusters(reader, contexts) if contexts > 1 else [0]
        count = max(self._clusters) + 1
        prefixed = reader.flag()
        log_size = PREFIX_BITS if prefixed else reader.bits(2) + 5
        self._splits = [_split(reader, log_size) for _ in range(count)]
        self._ans = None if prefixed else Ans(reader, count, log_size)
        if prefixed:
            sizes = [reader.stated_length(4) + 1 for _ in range(count)]
            codes = [PrefixCode(reader, size) for size in sizes]
            self._symbols: Sequence[Symbols] = codes
        elif self._ans:
            self._symbols = self._ans.started()
        alone = prefixed and count == 1 and self._copies is None and self._splits[0].exponent > 7
        self.is_plain = alone and codes[0].is_plain
        """Whether all numbers are bytes with their bits reversed."""
        self._done: list[int] = []
        self._copied_from, self._left = 0, 0

    def number(self, context: int) -> int:
        """Read the next number of a context."""
        if not self._left:
            cluster = self._clusters[context]
            symbol = self._symbols[cluster]()
            if self._copies is None:
                return self._splits[cluster].number(symbol, self._reader)
            if symbol < self._copies.threshold:
                value = self._splits[cluster].number(symbol, self._reader)
                self._done.append(value)
                return value
            self._begin_copy(symbol)
        self._left -= 1
        value = self._done[self._copied_from] if self._done else 0
        self._copied_from += 1
        self._done.append(value)
        return value

    def _begin_copy(self, symbol: int) -> None:
        assert self._copies
        rest = symbol - self._copies.threshold
        self._left = self._copies.split.number(rest, self._reader) + self._copies.shortest
        cluster = self._clusters[-1]
        back = self._splits[cluster].number(self._symbols[cluster](), self._reader) + 1
        self._copied_from = max(0, len(self._done) - back)

    def finish(self) -> None:
        """Check the state after the last number, which damage changes."""
        if self._ans and not self._ans.is_final:
            raise ImageError("is damaged: its profile does not match its checksum")


def _copies(reader: BitReader) -> _Copies | None:
    if not reader.flag():
        return None
    return _Copies(reader.u32(_THRESHOLD), reader.u32(_SHORTEST), _split(reader, 8))


def _split(reader: BitReader, log_size: int) -> _Split:
    exponent = reader.bits(log_size.bit_length())
    if exponent == log_size:
        return _Split(exponent, 0, 0)
    high = reader.bits(exponent.bit_length())
    low = reader.bits(max(0, exponent - high).bit_length())
    if high + low > exponent:
        raise ImageError("is damaged: its profile splits numbers wrongly")
    return _Split(exponent, high, low)


def _clusters(reader: BitReader, contexts: int) -> list[int]:
    """Read which distribution each context uses (C.2.2)."""
    if reader.flag():
        length = reader.bits(2)
        return [reader.bits(length) for _ in range(contexts)]
    moved = reader.flag()
    decoder = EntropyDecoder(reader, 1)
    found = [decoder.number(0) for _ in range(contexts)]
    decoder.finish()
    if max(found) >= _MOST_HISTOGRAMS:
        raise ImageError("is damaged: its profile has too many distributions")
    if moved:
        order = list(range(_MOST_HISTOGRAMS))
        for place, index in enumerate(found):
            order.insert(0, order.pop(index))
            found[place] = order[0]
    return found
