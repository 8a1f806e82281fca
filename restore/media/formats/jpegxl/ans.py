"""Asymmetric numeral systems as in JPEG XL (ISO/IEC 18181-1, annex C): decoding of symbols."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from restore.errors import ImageError
from restore.media.formats.jpegxl.bit_stream import BitReader

_LOG_RANGE = 12
_RANGE = 1 << _LOG_RANGE
_FINAL_STATE = 0x130000
_RUN = _LOG_RANGE + 1
"""A logarithm of a count that stands for a run of equal counts."""
_LOG_COUNTS = {
    (3, 0b000): 10, (3, 0b010): 7, (3, 0b100): 6, (3, 0b101): 8, (3, 0b110): 9,
    (4, 0b0011): 3, (4, 0b0111): 5, (4, 0b1001): 4, (4, 0b1011): 1, (4, 0b1111): 2,
    (5, 0b10001): 0, (6, 0b100001): 11, (7, 0b0000001): 12, (7, 0b1000001): _RUN,
}  # fmt: skip
"""Prefix code of the logarithms of counts, by (length, bits)."""

Symbols = Callable[[], int]
"""Returns the next symbol of a distribution."""


class Ans:
    """Asymmetric numeral systems: one state, and an alias table for each distribution."""

    def __init__(self, reader: BitReader, count: int, log_size: int) -> None:
        self._reader, self._log_entry = reader, _LOG_RANGE - log_size
        self._tables = [_alias_table(_histogram(reader), log_size) for _ in range(count)]
        self._state = 0

    def started(self) -> list[Symbols]:
        """Read the first state, and return a function for each distribution."""
        self._state = self._reader.bits(32)
        return [self._symbols_of(table) for table in self._tables]

    @property
    def is_final(self) -> bool:
        """Whether the state is that after the last symbol, which damage changes."""
        return self._state == _FINAL_STATE

    def _symbols_of(self, table: list[_Slot]) -> Symbols:
        reader, log_entry = self._reader, self._log_entry
        mask = (1 << log_entry) - 1

        def symbol() -> int:
            state = self._state
            place = state & (_RANGE - 1)
            slot, at = table[place >> log_entry], place & mask
            right = at >= slot.cutoff
            found, offset, frequency = slot.right if right else slot.left
            state = frequency * (state >> _LOG_RANGE) + offset + at
            if state < 1 << 16:
                state = state << 16 | reader.bits(16)
            self._state = state
            return found

        return symbol


class _Slot(NamedTuple):
    """An entry of an alias table: (symbol, offset, frequency) on both sides of ``cutoff``."""

    cutoff: int
    left: tuple[int, int, int]
    right: tuple[int, int, int]


def _alias_table(counts: list[int], log_size: int) -> list[_Slot]:
    size, entry = 1 << log_size, 1 << (_LOG_RANGE - log_size)
    if len(counts) > size:
        raise ImageError("is damaged: its profile has too many symbols")
    counts = counts + [0] * (size - len(counts))
    if _RANGE in counts:  # the state must not change
        only = counts.index(_RANGE)
        return [_Slot(0, (i, 0, 0), (only, entry * i, _RANGE)) for i in range(size)]
    cutoffs, alias, offsets = list(counts), list(range(size)), [0] * size
    over = [i for i, cut in enumerate(cutoffs) if cut > entry]
    under = [i for i, cut in enumerate(cutoffs) if cut < entry]
    while over:
        giver, taker = over.pop(), under.pop()
        cutoffs[giver] -= entry - cutoffs[taker]
        alias[taker], offsets[taker] = giver, cutoffs[giver]
        if cutoffs[giver] != entry:
            (under if cutoffs[giver] < entry else over).append(giver)
    table = []
    for i, cut in enumerate(cutoffs):
        whole = cut == entry
        right = (alias[i], 0 if whole else offsets[i] - cut, counts[alias[i]])
        table.append(_Slot(0 if whole else cut, (i, 0, counts[i]), right))
    return table


def _histogram(reader: BitReader) -> list[int]:
    """Read the counts of a distribution, whose sum is `_RANGE` (C.2.5)."""
    if reader.flag():
        symbols = [reader.stated_length(3) for _ in range(reader.bits(1) + 1)]
        counts = [0] * (max(symbols) + 1)
        first = reader.bits(_LOG_RANGE) if len(symbols) == 2 else _RANGE
        counts[symbols[-1]] = _RANGE - first
        counts[symbols[0]] += first
        return counts
    if reader.flag():
        size = reader.stated_length(3) + 1
        return [_RANGE // size + (i < _RANGE % size) for i in range(size)]
    return _listed_histogram(reader)


def _listed_histogram(reader: BitReader) -> list[int]:
    length = 0
    while length < 3 and reader.flag():
        length += 1
    shift = (reader.bits(length) | 1 << length) - 1
    logs, runs = _log_counts(reader, reader.stated_length(3) + 3)
    known = [-1 if log == _RUN else log for log in logs]
    omitted = known.index(max(known))
    counts: list[int] = []
    same, previous = 0, 0
    for place, log in enumerate(logs):
        if log == _RUN and not same:
            same, previous = runs[place], counts[-1] if counts else 0
        if same:
            counts.append(previous)
            same -= 1
        elif place == omitted or log == 0:
            counts.append(0)
        else:
            bits = max(0, min(log - 1, shift - ((_LOG_RANGE - log + 1) >> 1)))
            counts.append((1 << log - 1) + (reader.bits(bits) << log - 1 - bits))
    counts[omitted] = _RANGE - sum(counts)
    if counts[omitted] <= 0:
        raise ImageError("is damaged: its profile has a distribution that is too large")
    return counts


def _log_counts(reader: BitReader, size: int) -> tuple[list[int], dict[int, int]]:
    """Read logarithms of counts, and the lengths of runs by their place."""
    logs: list[int] = []
    runs = {}
    while len(logs) < size:
        length = next(n for n in range(3, 8) if (n, reader.peeked(n)) in _LOG_COUNTS)
        log = _LOG_COUNTS[length, reader.bits(length)]
        if log == _RUN:
            runs[len(logs)] = reader.stated_length(3) + 4
            logs += [_RUN] * runs[len(logs)]
        else:
            logs.append(log)
    if all(log == _RUN for log in logs):
        raise ImageError("is damaged: its profile has an empty distribution")
    return logs[:size], runs
