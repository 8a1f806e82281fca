"""HDR metadata as options of encoders: SMPTE ST 2086 (mastering display) and CTA-861.3 (content
light level)."""

from __future__ import annotations

import struct
from fractions import Fraction


def options(encoder: str, mastering: bytes, light: bytes) -> tuple[dict[str, str], list[str]]:
    """Return options by which an encoder stores FFmpeg's two records, and notes if it cannot."""
    if not mastering and not light:
        return {}, []
    writers = {"libx264": _x264, "libx265": _x265, "libsvtav1": _svt}
    if encoder not in writers:
        return {}, [f"{encoder} does not keep HDR's mastering display and light level"]
    name, words = writers[encoder](_mastering(mastering), _light(light))
    return {name: ":".join(words)} if words else {}, []


def _mastering(record: bytes) -> list[Fraction] | None:
    """Parse red, green, blue and white (x and y each), least and greatest luminance."""
    if len(record) < 88:
        return None
    numbers = struct.unpack_from("22i", record)
    # The last two numbers state whether primaries and luminance are present.
    if not all(numbers[20:]) or not all(numbers[1:20:2]):
        return None
    return [Fraction(*numbers[i : i + 2]) for i in range(0, 20, 2)]


def _light(record: bytes) -> tuple[int, int] | None:
    return struct.unpack_from("2I", record) if len(record) >= 8 else None


def _points(values: list[Fraction]) -> list[tuple[Fraction, Fraction]]:
    return list(zip(values[:8:2], values[1:8:2], strict=True))


def _integers(values: list[Fraction]) -> dict[str, tuple[int, int]]:
    """Convert to the units of the SEI message: 0.00002, and 0.0001 cd/m2."""
    pairs = [(round(x * 50000), round(y * 50000)) for x, y in _points(values)]
    darkest, brightest = (round(value * 10000) for value in values[8:])
    return dict(zip("RGBWL", [*pairs, (brightest, darkest)], strict=True))


def _sei(values: list[Fraction]) -> str:
    named = _integers(values)
    order = (("G", "G"), ("B", "B"), ("R", "R"), ("WP", "W"), ("L", "L"))
    return "".join(f"{name}({named[key][0]},{named[key][1]})" for name, key in order)


def _x265(mastering: list[Fraction] | None, light: tuple[int, int] | None) -> tuple[str, list[str]]:
    words = [f"master-display={_sei(mastering)}"] if mastering else []
    return "x265-params", words + ([f"max-cll={light[0]},{light[1]}"] if light else [])


def _x264(mastering: list[Fraction] | None, light: tuple[int, int] | None) -> tuple[str, list[str]]:
    words = [f"mastering-display={_sei(mastering)}"] if mastering else []
    return "x264-params", words + ([f"cll={light[0]},{light[1]}"] if light else [])


def _svt(mastering: list[Fraction] | None, light: tuple[int, int] | None) -> tuple[str, list[str]]:
    words = []
    if mastering:
        named = dict(zip("RGBW", _points(mastering), strict=True))
        ends = (mastering[9], mastering[8])
        order = (("G", named["G"]), ("B", named["B"]), ("R", named["R"]), ("WP", named["W"]))
        said = "".join(f"{n}({float(x):.5f},{float(y):.5f})" for n, (x, y) in (*order, ("L", ends)))
        words.append(f"mastering-display={said}")
    return "svtav1-params", words + ([f"content-light={light[0]},{light[1]}"] if light else [])
