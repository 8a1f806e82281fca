"""Changes of the header of a JPEG XL code stream. The frames after it keep their bytes."""

from __future__ import annotations

from restore.media.code_points import LINEAR
from restore.media.formats.jpegxl import profile_stream
from restore.media.formats.jpegxl.bit_stream import ENUMERATION, BitWriter
from restore.media.formats.jpegxl.code_stream_header import (
    FLOAT_BITS,
    GREY,
    INTEGER_BITS,
    PEAK,
    Depth,
    JxlColour,
    JxlHeader,
    read_header,
)

_DEFAULTS = ((0, 1), (0, 1), (0, 3), (1, 1), (0, 2), (1, 1), (1, 1), (0, 2))
"""The metadata that a single 1 stands for, spelled out: no extra fields, 8 bits, narrow buffers, no
extra channels, XYB, sRGB, no extensions."""


def rewritten(
    content: bytes,
    *,
    colour: JxlColour | None = None,
    profile: bytes = b"",
    depth: Depth | None = None,
    orientation: int = 1,
    peak: float = PEAK,
) -> bytes:
    """Return a code stream with other statements in its header and the same frames.

    Args:
        content: a code stream without preview, animation and names of channels.
        colour, profile: the colour; one of them is given.
        depth: None keeps it.
    """
    found = read_header(content)
    if "defaults" in found.spans:
        found = read_header(content := _spelled_out(content, found))
    changes = {
        "extra": _extra(orientation, peak),
        "depth": _written_depth(depth or found.depth),
        "colour": _written_colour(colour, found.space),
        "tone": _tone(orientation, peak),
        "profile": BitWriter(),
    }
    if colour is None:
        profile_stream.write(profile, changes["profile"])
    return _spliced(content, found, changes)


def in_linear_light(content: bytes, header: JxlHeader) -> bytes:
    """Return a code stream in XYB that a decoder shows as floats in linear light of sRGB."""
    linear = JxlColour(header.space, transfer=LINEAR)
    changes = {
        "depth": _written_depth(Depth(32, 8)),
        "colour": _written_colour(linear, header.space),
        "profile": BitWriter(),
    }
    return _spliced(content, header, changes)


def _spelled_out(content: bytes, header: JxlHeader) -> bytes:
    return _spliced(content, header, {"defaults": BitWriter().several(_DEFAULTS)})


def _spliced(content: bytes, header: JxlHeader, changes: dict[str, BitWriter]) -> bytes:
    """Replace fields by others. A profile that was read ends the header."""
    stop = header.spans["profile"][0]
    bits = int.from_bytes(content[: header.end], "little")
    made, at = BitWriter(), 0
    for name, (start, end) in header.spans.items():
        if name in changes:
            made.bits(bits >> at & (1 << start - at) - 1, start - at)
            made.bits(changes[name].value, changes[name].length)
            at = end
    made.bits(bits >> at & (1 << stop - at) - 1, stop - at)
    return made.aligned() + content[header.end :]


def _extra(orientation: int, peak: float) -> BitWriter:
    if (orientation, peak) == (1, PEAK):
        return BitWriter().bits(0, 1)
    return BitWriter().bits(1, 1).bits(orientation - 1, 3).bits(0, 3)


def _tone(orientation: int, peak: float) -> BitWriter:
    if (orientation, peak) == (1, PEAK):
        return BitWriter()
    if peak == PEAK:
        return BitWriter().bits(1, 1)
    return BitWriter().bits(0, 1).f16(peak).bits(0, 16 + 1 + 16)


def _written_depth(depth: Depth) -> BitWriter:
    writer = BitWriter().bits(depth.exponent > 0, 1)
    if depth.exponent:
        return writer.u32(depth.bits, FLOAT_BITS).bits(depth.exponent - 1, 4)
    return writer.u32(depth.bits, INTEGER_BITS)


def _written_colour(colour: JxlColour | None, space: int) -> BitWriter:
    writer = BitWriter().bits(0, 1).bits(colour is None, 1).u32(space, ENUMERATION)
    if colour is None:
        return writer
    writer.u32(colour.white, ENUMERATION)
    if space != GREY:
        writer.u32(colour.primaries, ENUMERATION)
    writer.bits(0, 1).u32(colour.transfer, ENUMERATION)
    return writer.bits(1, 2)  # relative intent
