"""From planes to RGB and back."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest
from clips import frame, samples

from restore.errors import ImageError
from restore.media.video.pixel_format import layout
from restore.media.video.rgb_frame import RgbFrame, planes_of

PLANAR = [
    *("yuv420p", "yuv422p", "yuv444p", "yuvj420p", "yuvj444p", "yuv410p", "yuv411p", "yuv440p"),
    *("yuva420p", "yuva444p10le", "gray", "gray10le", "gray12le", "gray16le", "gbrp", "gbrp10le"),
    *("gbrp12le", "gbrap", "yuv420p10le", "yuv422p10le", "yuv444p10le", "yuv420p12le"),
    *("yuv422p12le", "yuv444p12le", "yuv444p16le"),
]
PACKED = [
    *("nv12", "nv21", "nv16", "nv24", "yuyv422", "uyvy422", "p010le", "p012le", "p210le", "p410le"),
    *("rgb24", "bgr24", "argb", "bgra", "rgba", "rgb48le"),
]
LIMITED, FULL = 1, 2


def noise(pixel_format: str, height: int = 17, width: int = 33) -> av.VideoFrame:
    """Any values a format can hold, in an odd size."""
    picture = av.VideoFrame(width, height, pixel_format)
    random = np.random.default_rng(0)
    form = layout(pixel_format)
    for plane in picture.planes:
        values = random.integers(0, 256, plane.buffer_size, np.uint8)
        if form.bits > 8:
            words = values.view("<u2") & form.peak
            shift = 16 - form.bits if pixel_format != form.planar else 0
            values = (words << shift).astype("<u2").view(np.uint8)
        plane.update(values.tobytes())
    picture.pts, picture.time_base, picture.duration = 7, Fraction(1, 9), 3
    picture.color_range, picture.colorspace = LIMITED, 1
    return picture


@pytest.mark.parametrize("pixel_format", PLANAR + PACKED)
def test_what_a_network_leaves_alone_keeps_every_sample(pixel_format: str) -> None:
    width = 33 if pixel_format in PLANAR else 34  # packed ones go by pairs
    picture = noise(pixel_format, width=width)
    shot = RgbFrame(picture)
    before = samples(shot.frame)
    assert shot.rgb.shape == (17, width, 3)
    assert shot.rgb.dtype == np.float32
    # As a network leaves it, which knows nothing beyond black and white.
    after = shot.apply(np.clip(shot.rgb, 0, 1))
    assert (after.pts, after.time_base, after.duration) == (7, Fraction(1, 9), 3)
    assert (after.color_range, after.colorspace) == (LIMITED, 1)
    assert samples(after) == before


@pytest.mark.parametrize("pixel_format", PACKED)
def test_packed_samples_go_where_they_belong(pixel_format: str) -> None:
    picture = noise(pixel_format, width=34)
    form = layout(pixel_format)
    kind = np.dtype(np.uint8 if form.bits == 8 else "<u2")
    shift = 16 - form.bits if pixel_format != "rgb48le" and form.bits > 8 else 0
    old = [np.frombuffer(plane, kind) >> shift for plane in samples(picture)]
    orders = {"yuyv422": ("yuyv", "yuv"), "uyvy422": ("uyvy", "yuv")}
    if len(old) == 2:
        first = 1 if pixel_format in ("nv21", "nv42") else 0
        expected = [old[0], old[1][first::2], old[1][1 - first :: 2]]
    elif pixel_format in orders:
        where, wanted = orders[pixel_format]
        table = old[0].reshape(-1, 4)
        expected = [table[:, [i for i in range(4) if where[i] == c]].ravel() for c in wanted]
    else:
        where = pixel_format.removesuffix("24").removesuffix("48le")
        table = old[0].reshape(-1, len(where))
        expected = [table[:, where.index(c)] for c in ("gbra" if "a" in where else "gbr")]
    found = [np.frombuffer(plane, kind) for plane in samples(RgbFrame(picture).frame)]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("pixel_format", "colorspace", "range_"),
    [
        ("yuv444p", 1, LIMITED),
        ("yuv444p", 5, FULL),
        ("yuv420p", 1, LIMITED),
        ("yuvj420p", 5, FULL),
        ("nv12", 6, LIMITED),
        ("yuv420p10le", 9, LIMITED),
        ("yuv422p12le", 1, LIMITED),
        ("gbrp10le", 0, FULL),
        ("gray", 2, FULL),
    ],
)
def test_rgb_is_what_ffmpeg_makes_of_it(pixel_format: str, colorspace: int, range_: int) -> None:
    """Of a smooth picture, to within what its 8 bits round."""
    source = frame(3, "rgb24")
    picture = source.reformat(
        format=pixel_format, dst_colorspace=colorspace or None, dst_color_range=range_
    )
    expected = source.to_ndarray().astype(np.float32) / 255
    if pixel_format == "gray":
        expected = np.repeat(picture.to_ndarray()[..., None], 3, axis=2) / 255
    picture.colorspace, picture.color_range = colorspace, range_
    found = RgbFrame(picture).rgb
    # Chroma at half the resolution cannot bring everything back.
    tolerance = 0.01 if layout(pixel_format).across == 1 else 0.05
    assert np.abs(found - expected).max() < tolerance
    assert np.abs(found - expected).mean() < tolerance / 2


def test_a_change_reaches_the_planes_in_their_own_depth() -> None:
    """A thousandth of white more is a level of 10 bits, and nothing of 8."""
    for pixel_format, step in (("yuv420p10le", 1), ("yuv420p", 0), ("yuv420p16le", 61)):
        shot = RgbFrame(frame(0, pixel_format))
        before = [plane.astype(int) for plane in planes_of(shot.frame, shot.layout)]
        after = planes_of(shot.apply(np.clip(shot.rgb, 0, 1) + np.float32(0.00109)), shot.layout)
        change = after[0].astype(int) - before[0]
        assert abs(change - step).max() <= 1
        assert round(change.mean()) == step
        np.testing.assert_array_equal(after[1], before[1])  # grey was added, colour stays


def test_a_picture_put_in_whole_comes_out_whole() -> None:
    """Another picture altogether, through 4:4:4 and 4:2:0."""
    wanted = RgbFrame(frame(9, "gbrp")).rgb
    for pixel_format, tolerance in (("yuv444p", 0.01), ("yuv420p", 0.05), ("yuv420p10le", 0.05)):
        made = RgbFrame(RgbFrame(frame(0, pixel_format)).apply(wanted)).rgb
        assert np.abs(made - wanted).max() < tolerance


def test_grey_stays_grey_and_alpha_untouched() -> None:
    picture = av.VideoFrame(8, 6, "yuva420p")
    for plane, value in zip(picture.planes, (77, 128, 128, 33), strict=True):
        plane.update(bytes([value]) * plane.buffer_size)
    shot = RgbFrame(picture)
    assert np.ptp(shot.rgb, axis=2).max() == 0
    after = planes_of(shot.apply(shot.rgb * np.float32(0.5)), shot.layout)
    assert [int(plane.min()) for plane in after[1:]] == [128, 128, 33]
    assert [int(plane.max()) for plane in after[1:]] == [128, 128, 33]


def test_a_palette_is_no_plane() -> None:
    """Not even where its length is given as that of no line."""
    picture = av.VideoFrame(8, 6, "pal8")
    picture.planes[0].update(bytes([1]) * picture.planes[0].buffer_size)
    shot = RgbFrame(picture)
    assert shot.rgb.shape == (6, 8, 3)
    assert np.ptp(shot.rgb, axis=(0, 1)).max() == 0


def test_what_cannot_be_processed_is_named() -> None:
    with pytest.raises(ImageError, match="pixel format gbrpf32le cannot be processed"):
        layout("gbrpf32le")
    picture = frame(0, "yuv444p")
    picture.colorspace = 14
    with pytest.raises(ImageError, match="colour matrix 14"):
        RgbFrame(picture)
