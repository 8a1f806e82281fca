"""Properties of FFmpeg's pixel formats, and the planar format with the same content.

Frames are processed in planar formats: one plane per component, 8 bits in one byte or 9 to 16 bits
in two.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from restore.errors import ImageError

YUV, RGB, GREY = "yuv", "rgb", "grey"

_CHROMA = {
    "444": (1, 1),
    "440": (1, 2),
    "422": (2, 1),
    "420": (2, 2),
    "411": (4, 1),
    "410": (4, 4),
}
"""Luma samples per chroma sample, (across, down)."""

_PLANAR_OF = {
    **dict.fromkeys(("nv12", "nv21"), "yuv420p"),
    "nv16": "yuv422p",
    **dict.fromkeys(("nv24", "nv42"), "yuv444p"),
    **dict.fromkeys(("yuyv422", "uyvy422", "yvyu422"), "yuv422p"),
    **{f"p0{bits}le": f"yuv420p{bits}le" for bits in (10, 12, 16)},
    **{f"p2{bits}le": f"yuv422p{bits}le" for bits in (10, 12, 16)},
    **{f"p4{bits}le": f"yuv444p{bits}le" for bits in (10, 12, 16)},
    "y210le": "yuv422p10le",
    **dict.fromkeys(("rgb24", "bgr24", "rgb0", "bgr0", "0rgb", "0bgr"), "gbrp"),
    **dict.fromkeys(("rgb565le", "rgb555le", "bgr565le", "bgr555le", "rgb8", "bgr8"), "gbrp"),
    **dict.fromkeys(("rgba", "bgra", "argb", "abgr", "pal8", "ya8"), "gbrap"),
    **dict.fromkeys(("x2rgb10le", "x2bgr10le"), "gbrp10le"),
    **dict.fromkeys(("rgb48le", "rgb48be", "bgr48le", "bgr48be"), "gbrp16le"),
    **dict.fromkeys(("rgba64le", "rgba64be", "bgra64le", "bgra64be"), "gbrap16le"),
    **dict.fromkeys(("monob", "monow"), "gray"),
}

_NAMES = (
    (YUV, re.compile(r"yuv(?P<alpha>a?)(?P<full>j?)(?P<chroma>4\d\d)p(?:(?P<bits>\d+)le)?")),
    (RGB, re.compile(r"gbr(?P<alpha>a?)p(?:(?P<bits>\d+)le)?")),
    (GREY, re.compile(r"gray(?:(?P<bits>\d+)le)?")),
)


@dataclass(frozen=True)
class Layout:
    """Properties of a pixel format.

    ``planar``: name of the planar format with the same content.
    ``kind``: `YUV`, `RGB` (planes green, blue, red) or `GREY`.
    ``bits``: per component.
    ``across``, ``down``: luma samples per chroma sample.
    ``full_range``: the format's name implies full range.
    """

    planar: str
    kind: str
    bits: int
    across: int = 1
    down: int = 1
    alpha: bool = False
    full_range: bool = False

    @property
    def peak(self) -> int:
        return (1 << self.bits) - 1

    def loses(self, other: Layout) -> str:
        """Name what a frame in this layout loses in the other one; empty if nothing."""
        if other.bits < self.bits:
            return f"{self.bits} bits per channel"
        if self.kind != GREY and other.kind == GREY:
            return "colour"
        if self.kind == RGB and other.kind == YUV:
            return "RGB"
        if self.kind == YUV and other.kind == RGB:
            return "YUV"
        if self.kind == YUV and (other.across > self.across or other.down > self.down):
            return "its resolution of colour"
        return "transparency" if self.alpha and not other.alpha else ""


def layout(name: str) -> Layout:
    """Return the layout of a pixel format by FFmpeg's name. Raises `ImageError` for unsupported
    ones: floats, Bayer patterns, and formats of graphics cards."""
    planar = _PLANAR_OF.get(name, name)
    if planar == name and name.endswith("be"):
        planar = f"{name[:-2]}le"
    for kind, pattern in _NAMES:
        if found := pattern.fullmatch(planar):
            part = found.groupdict()
            across, down = _CHROMA.get(part.get("chroma", "444"), (0, 0))
            bits = int(part["bits"] or 8)
            if across and 8 <= bits <= 16:
                full = bool(part.get("full"))
                return Layout(planar, kind, bits, across, down, bool(part.get("alpha")), full)
    raise ImageError(f"pixel format {name} cannot be processed; convert the clip to another one")
