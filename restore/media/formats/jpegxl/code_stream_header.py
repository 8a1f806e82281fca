"""The header of a JPEG XL code stream (ISO/IEC 18181-1, annex D): depth, channels and colour.

imagecodecs neither reads nor chooses colour, so the header is parsed here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from restore.errors import ImageError
from restore.media.code_points import SRGB
from restore.media.formats.jpegxl import profile_stream
from restore.media.formats.jpegxl.bit_stream import ENUMERATION, BitReader

SIGNATURE = b"\xff\x0a"
RGB, GREY = 0, 1
CUSTOM, D65, OF_SRGB = 2, 1, 1
ALPHA = 0
PEAK = 255.0
"""The default intensity of white in cd/m2."""
_XYB_SPACE = 2
_SPOT, _FILTER = 2, 5
"""Kinds of extra channels with parameters."""
_SIDE = ((9, 1), (13, 1), (18, 1), (30, 1))
_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
"""Of width to height."""
INTEGER_BITS = ((0, 8), (0, 10), (0, 12), (6, 1))
FLOAT_BITS = ((0, 32), (0, 16), (0, 24), (6, 1))
_COUNT = ((0, 0), (0, 1), (4, 2), (12, 1))
_SHIFT = ((0, 0), (0, 3), (0, 4), (3, 1))
_NAME = ((0, 0), (4, 0), (5, 16), (10, 48))
_FILTER_NUMBER = ((0, 1), (2, 0), (4, 3), (8, 19))
_COORDINATE = ((19, 0), (19, 1 << 19), (20, 1 << 20), (21, 1 << 21))
_COORDINATE_UNIT, _GAMMA_UNIT = 1e-6, 1e-7
_EIGHTHS, _PREVIEW = ((0, 16), (0, 32), (5, 1), (9, 33)), ((6, 1), (8, 65), (10, 321), (12, 1345))
_TICKS = (((0, 100), (0, 1000), (10, 1), (30, 1)), ((0, 1), (0, 1001), (8, 1), (10, 1)))
_LOOPS = ((0, 0), (3, 0), (16, 0), (32, 0))
_UPSAMPLING = (15, 55, 210)
"""Weights of upsampling by 2, 4 and 8."""
_INVERSE_MATRIX = 16


class Depth(NamedTuple):
    """Bits per channel. ``exponent``: bits of the exponent of floats; 0 for integers."""

    bits: int = 8
    exponent: int = 0


class Channel(NamedTuple):
    """An extra channel. ``multiplied``: colours are multiplied by this alpha."""

    kind: int = ALPHA
    multiplied: bool = False


class JxlColour(NamedTuple):
    """Colour by code points. ``corners``: x and y of white, red, green and blue, where ``white`` or
    ``primaries`` is `CUSTOM`. ``gamma``: the exponent that encodes light, or 0."""

    space: int = RGB
    white: int = D65
    primaries: int = OF_SRGB
    transfer: int = SRGB
    gamma: float = 0
    corners: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class JxlHeader:
    """The statements of a code stream.

    ``size``: (height, width) as stored. ``xyb``: colours are stored as XYB, which lossy files use.
    ``profile``: the ICC profile; ``colour`` is then None. ``peak``: the intensity of white in
    cd/m2. ``lossless``: the first frame is exact. ``spans``: places of fields, in bits.
    ``end``: offset of the frames in bytes.
    """

    size: tuple[int, int]
    orientation: int
    animated: bool
    depth: Depth
    channels: tuple[Channel, ...]
    xyb: bool
    space: int
    colour: JxlColour | None
    profile: bytes
    peak: float
    lossless: bool
    spans: dict[str, tuple[int, int]]
    end: int

    @property
    def alpha(self) -> Channel | None:
        return next((channel for channel in self.channels if channel.kind == ALPHA), None)


def read_header(content: bytes) -> JxlHeader:
    """Parse the header of a code stream. Raises `ImageError` if it is damaged."""
    if not content.startswith(SIGNATURE):
        raise ImageError("holds no pixels, or its header is not valid")
    return _Parser(content).header()


def upright_size(content: bytes) -> tuple[int, int]:
    """Return (height, width) of the upright image by the beginning of a code stream."""
    reader = BitReader(content, 8 * len(SIGNATURE))
    height, width = _size(reader)
    if not reader.flag() and reader.flag() and reader.bits(3) >= 4:  # orientation, less 1
        return width, height
    return height, width


class _Parser:
    """Reads the fields in their order and notes where some of them stand."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._reader = BitReader(content, 8 * len(SIGNATURE))
        self._spans: dict[str, tuple[int, int]] = {}

    def header(self) -> JxlHeader:
        reader = self._reader
        height_width = _size(reader)
        start = reader.at
        if reader.flag():
            self._spans["defaults"] = (start, reader.at)
            fields = _Fields()
        else:
            fields = self._fields()
        _skip_transform(reader, fields.xyb)
        self._spans["profile"] = (reader.at, reader.at)
        profile = profile_stream.read(reader) if fields.colour is None else b""
        end = reader.aligned()
        frame = BitReader(self._content, 8 * end)
        exact = not fields.xyb and not frame.flag() and frame.bits(2) == 0 and frame.flag()
        named: dict[str, Any] = fields._asdict() | {"size": height_width, "profile": profile}
        return JxlHeader(**named, lossless=exact, spans=self._spans, end=end)

    def _fields(self) -> _Fields:
        reader = self._reader
        orientation, animated, start = 1, False, reader.at
        more = reader.flag()
        if more:
            orientation, animated = _extra_fields(reader)
        self._spans["extra"] = (start, reader.at)
        start = reader.at
        depth = _depth(reader)
        self._spans["depth"] = (start, reader.at)
        reader.flag()  # buffers of 16 bits suffice
        channels = tuple(_channel(reader) for _ in range(reader.u32(_COUNT)))
        xyb, start = reader.flag(), reader.at
        space, colour = _colour(reader)
        self._spans["colour"] = (start, reader.at)
        start = reader.at
        peak = _peak(reader) if more else PEAK
        self._spans["tone"] = (start, reader.at)
        _skip_extensions(reader)
        return _Fields(orientation, animated, depth, channels, xyb, space, colour, peak)


class _Fields(NamedTuple):
    """Metadata between size and profile; by default as a single 1 states them."""

    orientation: int = 1
    animated: bool = False
    depth: Depth = Depth()
    channels: tuple[Channel, ...] = ()
    xyb: bool = True
    space: int = RGB
    colour: JxlColour | None = JxlColour()
    peak: float = PEAK


def _size(reader: BitReader) -> tuple[int, int]:
    """Read (height, width)."""
    small = reader.flag()
    height = 8 * (reader.bits(5) + 1) if small else reader.u32(_SIDE)
    if ratio := reader.bits(3):
        across, down = _RATIOS[ratio - 1]
        return height, height * across // down
    return height, 8 * (reader.bits(5) + 1) if small else reader.u32(_SIDE)


def _extra_fields(reader: BitReader) -> tuple[int, bool]:
    """Return the orientation and whether the file is an animation; skip size and preview."""
    orientation = reader.bits(3) + 1
    if reader.flag():
        _size(reader)
    if reader.flag():
        forms = _EIGHTHS if reader.flag() else _PREVIEW
        reader.u32(forms)
        if not reader.bits(3):
            reader.u32(forms)
    animated = reader.flag()
    if animated:
        for forms in (*_TICKS, _LOOPS):
            reader.u32(forms)
        reader.flag()
    return orientation, animated


def _depth(reader: BitReader) -> Depth:
    if reader.flag():
        return Depth(reader.u32(FLOAT_BITS), reader.bits(4) + 1)
    return Depth(reader.u32(INTEGER_BITS))


def _channel(reader: BitReader) -> Channel:
    if reader.flag():
        return Channel()
    kind = reader.u32(ENUMERATION)
    _depth(reader)
    reader.u32(_SHIFT)
    for _ in range(reader.u32(_NAME)):
        reader.bits(8)
    if kind == _SPOT:
        reader.bits(4 * 16)
    if kind == _FILTER:
        reader.u32(_FILTER_NUMBER)
    return Channel(kind, kind == ALPHA and reader.flag())


def _colour(reader: BitReader) -> tuple[int, JxlColour | None]:
    """Return the space, and the colour unless a profile states it."""
    if reader.flag():
        return RGB, JxlColour()
    has_profile, space = reader.flag(), reader.u32(ENUMERATION)
    if has_profile:
        return space, None
    white, primaries, transfer, gamma = D65, OF_SRGB, SRGB, 0.0
    corners: list[tuple[float, float]] = []
    if space != _XYB_SPACE:
        white = reader.u32(ENUMERATION)
        corners += _corners(reader, 1 if white == CUSTOM else 0)
        if space != GREY:
            primaries = reader.u32(ENUMERATION)
            corners += _corners(reader, 3 if primaries == CUSTOM else 0)
        if reader.flag():
            gamma = reader.bits(24) * _GAMMA_UNIT
        else:
            transfer = reader.u32(ENUMERATION)
    reader.u32(ENUMERATION)  # rendering intent
    return space, JxlColour(space, white, primaries, transfer, gamma, tuple(corners))


def _corners(reader: BitReader, count: int) -> list[tuple[float, float]]:
    values = [reader.u32(_COORDINATE) for _ in range(2 * count)]
    numbers = [((v >> 1) ^ -(v & 1)) * _COORDINATE_UNIT for v in values]
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def _peak(reader: BitReader) -> float:
    if reader.flag():
        return PEAK
    peak = reader.f16()
    reader.bits(16 + 1 + 16)
    return peak


def _skip_extensions(reader: BitReader) -> None:
    lengths = [reader.u64() for _ in range(reader.u64().bit_count())]
    reader.bits(sum(lengths))


def _skip_transform(reader: BitReader, xyb: bool) -> None:
    """Skip parameters of XYB and of upsampling."""
    if reader.flag():
        return
    if xyb and not reader.flag():
        reader.bits(16 * _INVERSE_MATRIX)
    chosen = reader.bits(3)
    reader.bits(16 * sum(n for i, n in enumerate(_UPSAMPLING) if chosen >> i & 1))
