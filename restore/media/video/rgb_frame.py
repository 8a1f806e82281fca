"""Conversion of decoded frames to RGB and back, in float32.

Only the difference that a network makes to the RGB image is converted back and added to the
planes. Samples where it changes nothing keep their exact values, including values beyond black and
white. Alpha is unchanged.

Colour: ITU-T H.273 (matrix coefficients, range). If a frame does not state its matrix, BT.709 is
assumed for high definition and BT.601 below, as players do; the output states none either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from restore.errors import ImageError
from restore.media.video.chroma_siting import LEFT, TOP, TOP_LEFT, UNKNOWN
from restore.media.video.pixel_format import GREY, RGB, YUV, Layout, layout

if TYPE_CHECKING:
    from av import VideoFrame

LIMITED_RANGE, FULL_RANGE = 1, 2
"""FFmpeg's numbers; 0 is unspecified."""

_BT601, _BT709, _BT2020 = (0.299, 0.114), (0.2126, 0.0722), (0.2627, 0.0593)
_WEIGHTS = {
    1: _BT709,
    4: (0.30, 0.11),
    5: _BT601,
    6: _BT601,
    7: (0.212, 0.087),
    9: _BT2020,
    10: _BT2020,
}
"""Weights of red and blue in luma, by FFmpeg's number of the matrix. For 10 (constant luminance)
this is an approximation; only the changes made by a network pass through it."""

_GUESSED = (0, 2, 3)
"""Numbers that name no YUV matrix: RGB, unspecified, reserved."""


class RgbFrame:
    """A frame with its RGB image.

    ``rgb``: H x W x 3 float32; 0 is black, 1 is white, values beyond are kept. A greyscale frame
    has three equal channels.

    `apply` writes into ``frame``, which must not be used elsewhere. Raises `ImageError` for an
    unsupported pixel format or colour matrix.
    """

    def __init__(self, frame: VideoFrame, siting: int = UNKNOWN):
        self.layout = layout(frame.format.name)
        frame = planar(frame)
        frame.make_writable()
        self.frame = frame
        full = self.layout.full_range or frame.color_range == FULL_RANGE
        if self.layout.kind == GREY:
            full = frame.color_range != 1
        steps = 1 << (self.layout.bits - 8)
        self._black = 0 if full or self.layout.kind == RGB else 16 * steps
        self._luma = self.layout.peak if self._black == 0 else 219 * steps
        self._chroma = self.layout.peak if self._black == 0 else 224 * steps
        self._weights = _weights(frame) if self.layout.kind not in (GREY, RGB) else _BT601
        # Horizontally, MPEG sites chroma on a luma column, JPEG between two.
        on_column = not full if siting == UNKNOWN else siting in (LEFT, TOP_LEFT)
        self._cosited = (siting in (TOP_LEFT, TOP), on_column)  # down, across
        self.rgb = self._to_rgb()

    def _to_rgb(self) -> np.ndarray:
        planes = [plane.astype(np.float32) for plane in planes_of(self.frame, self.layout)]
        if self.layout.kind == RGB:
            green, blue, red = (plane / self.layout.peak for plane in planes[:3])
            return np.dstack((red, green, blue))
        y = (planes[0] - self._black) / self._luma
        if self.layout.kind == GREY:
            return np.repeat(y[..., None], 3, axis=2)
        middle = 1 << (self.layout.bits - 1)
        u, v = (_enlarged((p - middle) / self._chroma, self, y.shape) for p in planes[1:3])
        kr, kb = self._weights
        red, blue = y + 2 * (1 - kr) * v, y + 2 * (1 - kb) * u
        green = (y - kr * red - kb * blue) / (1 - kr - kb)
        # Exactly equal channels without colour, so that greyscale frames are detected as such.
        green = np.where((u == 0) & (v == 0), y, green)
        return np.dstack((red, green, blue)).astype(np.float32, copy=False)

    @property
    def alpha(self) -> np.ndarray | None:
        """H x W float32, 1 is opaque; or None."""
        if not self.layout.alpha:
            return None
        return planes_of(self.frame, self.layout)[3].astype(np.float32) / self.layout.peak

    def apply(self, restored: np.ndarray) -> VideoFrame:
        """Add the difference between ``restored`` (H x W x 3 float32 in [0, 1]) and `rgb` to the
        frame."""
        change = restored - np.clip(self.rgb, 0, 1)
        planes = planes_of(self.frame, self.layout)
        red, green, blue = (change[..., c] for c in range(3))
        if self.layout.kind == RGB:
            for plane, added in zip(planes, (green, blue, red), strict=False):
                self._add(plane, added * self.layout.peak)
            return self.frame
        kr, kb = self._weights
        luma = kr * red + (1 - kr - kb) * green + kb * blue
        self._add(planes[0], luma * self._luma)
        if self.layout.kind != GREY:
            for plane, colour, k in ((planes[1], blue, kb), (planes[2], red, kr)):
                added = (colour - luma) * (self._chroma / (2 * (1 - k)))
                self._add(plane, _reduced(added, self, plane.shape))
        return self.frame

    def _add(self, plane: np.ndarray, added: np.ndarray) -> None:
        sum_ = np.rint(plane.astype(np.float32) + added)
        plane[...] = np.clip(sum_, 0, self.layout.peak).astype(plane.dtype)


def planes_of(frame: Any, form: Layout) -> list[np.ndarray]:
    """Return views of the planes of a frame in a planar format, h x w uint8 or uint16 each."""
    kind = np.dtype(np.uint8 if form.bits == 8 else "<u2")
    views = []
    for i, plane in enumerate(frame.planes):
        small = form.kind not in (GREY, RGB) and i in (1, 2)
        height = -(-frame.height // form.down) if small else frame.height
        width = -(-frame.width // form.across) if small else frame.width
        stride = abs(plane.line_size) // kind.itemsize
        rows = np.frombuffer(plane, kind, count=height * stride).reshape(height, stride)
        views.append((rows[::-1] if plane.line_size < 0 else rows)[:, :width])
    return views


def planar(frame: Any) -> VideoFrame:
    """Return a frame in the planar format with the same samples: itself, if it has one."""
    form = layout(frame.format.name)
    return frame if frame.format.name == form.planar else _repacked(frame, form)


_OFFSETS = {"yuyv422": (0, 1, 3), "uyvy422": (1, 0, 2), "yvyu422": (0, 3, 1)}
"""Offsets of the first luma and the two chroma samples in four bytes."""


def _repacked(frame: Any, form: Layout) -> VideoFrame:
    """Convert a frame to the planar format with the same samples.

    swscale keeps the frame's properties and converts RGB exactly, but not always interleaved
    chroma. That is copied here.
    """
    name, moved = frame.format.name, frame.reformat(format=form.planar)
    planes = planes_of(moved, form)
    kind = planes[0].dtype
    if form.kind != YUV:
        return moved  # a palette is not a plane
    packed = [
        np.frombuffer(plane, kind).reshape(-1, abs(plane.line_size) // kind.itemsize)[
            :: -1 if plane.line_size < 0 else 1
        ]
        for plane in frame.planes
    ]
    if len(packed) == 2:
        shift = 16 - form.bits if form.bits > 8 else 0  # samples are in the upper bits
        first = 1 if name in ("nv21", "nv42") else 0
        chroma = packed[1][:, first::2], packed[1][:, 1 - first :: 2]
        for plane, rows in zip(planes, (packed[0], *chroma), strict=True):
            plane[...] = rows[: plane.shape[0], : plane.shape[1]] >> shift
    elif name in _OFFSETS:
        for plane, offset, step in zip(planes, _OFFSETS[name], (2, 4, 4), strict=True):
            plane[...] = packed[0][: plane.shape[0], offset::step][:, : plane.shape[1]]
    return moved


def _weights(frame: VideoFrame) -> tuple[float, float]:
    matrix = int(frame.colorspace)
    if matrix in _GUESSED:
        matrix = guessed_matrix(frame.height, frame.width)
    if matrix not in _WEIGHTS:
        raise ImageError(f"colour matrix {matrix} (H.273) cannot be processed; convert the clip")
    return _WEIGHTS[matrix]


def guessed_matrix(height: int, width: int) -> int:
    """Return FFmpeg's number of the matrix that players assume if a clip states none."""
    return 1 if width >= 1280 or height > 576 else 5


def converted(frame: VideoFrame, pixel_format: str) -> VideoFrame:
    """Convert a frame to another pixel format by swscale, for formats chosen by the user."""
    old, new = layout(frame.format.name), layout(pixel_format)
    options: dict[str, int] = {}
    if old.kind != RGB and new.kind == RGB and int(frame.colorspace) in _GUESSED:
        options["src_colorspace"] = guessed_matrix(frame.height, frame.width)
    if old.kind == RGB and new.kind != RGB:
        options["dst_colorspace"] = guessed_matrix(frame.height, frame.width)
        options["dst_color_range"] = FULL_RANGE if new.full_range else LIMITED_RANGE
    return frame.reformat(format=pixel_format, interpolation="BICUBIC", **options)


def _enlarged(chroma: np.ndarray, frame: RgbFrame, shape: tuple[int, ...]) -> np.ndarray:
    """Interpolate chroma bilinearly at every luma sample."""
    form, (height, width) = frame.layout, shape
    factors = [form.down, form.across]
    for axis, cosited in enumerate(frame._cosited):
        if factors[axis] == 2 and cosited:
            chroma, factors[axis] = _doubled(chroma, axis), 1
    if max(factors) > 1:
        size = (chroma.shape[1] * factors[1], chroma.shape[0] * factors[0])
        chroma = cv2.resize(chroma, size, interpolation=cv2.INTER_LINEAR)
    return chroma[:height, :width]


def _doubled(chroma: np.ndarray, axis: int) -> np.ndarray:
    """Insert the mean of two neighbours after each sample along an axis."""
    lines = chroma.swapaxes(0, axis)
    after = np.concatenate((lines[1:], lines[-1:]))
    both = np.stack((lines, (lines + after) / 2), axis=1).reshape(-1, lines.shape[1])
    return np.ascontiguousarray(both.swapaxes(0, axis))


def _reduced(change: np.ndarray, frame: RgbFrame, shape: tuple[int, ...]) -> np.ndarray:
    """Average a change of luma's size around every chroma sample: the adjoint of `_enlarged`."""
    form, (height, width) = frame.layout, shape
    rest = (height * form.down - change.shape[0], width * form.across - change.shape[1])
    change = np.pad(change, ((0, rest[0]), (0, rest[1])), mode="edge")
    factors = (form.down, form.across)
    for axis, (factor, cosited) in enumerate(zip(factors, frame._cosited, strict=True)):
        if factor == 2 and cosited:
            change = _halved(change, axis)
        elif factor > 1:
            lines = change.swapaxes(0, axis)
            lines = lines.reshape(-1, factor, lines.shape[1]).mean(axis=1)
            change = lines.swapaxes(0, axis)
    return change


def _halved(change: np.ndarray, axis: int) -> np.ndarray:
    """Weight every second sample along an axis by 1/2 and its neighbours by 1/4."""
    lines = change.swapaxes(0, axis)
    before = np.concatenate((lines[:1], lines[1:-1:2]))
    return (lines[::2] / 2 + (before + lines[1::2]) / 4).swapaxes(0, axis)
