"""Positions of chroma samples: read, used and kept; and other tags that decoders lose."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from ffmpeg_program import PICTURES, ffmpeg, ffprobe
from unchanged import never, through

from restore.errors import ImageError
from restore.media.video.chroma_siting import CENTRE, LEFT, TOP, TOP_LEFT, UNKNOWN
from restore.media.video.encoders import EncodeOptions
from restore.media.video.probe import probe
from restore.media.video.rgb_frame import RgbFrame, planes_of

H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-frames:v", "3")
TAGS = ("chroma_location", "color_range", "color_space", "color_primaries", "color_transfer")


def tags(path: Path) -> list[str]:
    stream = ffprobe(path)["streams"][0]
    return [stream.get(name, "unknown") for name in TAGS]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize(
    ("name", "siting"), [("left", LEFT), ("center", CENTRE), ("topleft", TOP_LEFT), ("top", TOP)]
)
def test_the_siting_of_a_clip_is_kept(tmp_path: Path, name: str, siting: int, suffix: str) -> None:
    words = (*H264, "-chroma_sample_location", name)
    source, target = ffmpeg(*PICTURES, *words, tmp_path / f"in{suffix}"), tmp_path / f"out{suffix}"
    assert probe(source).siting == siting
    assert through(source, target).notes == ()
    assert tags(target)[0] == tags(source)[0] == name


@pytest.mark.parametrize(
    ("siting", "down", "across"),
    [(LEFT, 0.5, 0), (CENTRE, 0.5, 0.5), (TOP_LEFT, 0, 0), (TOP, 0, 0.5), (UNKNOWN, 0.5, 0)],
)
def test_chroma_is_placed_where_it_lies(siting: int, down: float, across: float) -> None:
    """A ramp of chroma is a ramp at every luma sample, shifted by the siting."""
    frame = av.VideoFrame(32, 24, "yuv420p")
    for plane, value in zip(frame.planes, (128, 128, 128), strict=True):
        plane.update(bytes([value]) * plane.buffer_size)
    frame.color_range = 1
    form = RgbFrame(frame).layout
    for axis, shift in ((0, down), (1, across)):
        chroma = planes_of(frame, form)[1]
        steps = np.arange(chroma.shape[axis], dtype=np.uint8) * 4 + 100
        chroma[...] = steps[:, None] if axis == 0 else steps
        shot = RgbFrame(frame, siting)
        found = shot.rgb[..., 2] if axis else shot.rgb[..., 2].T  # blue is linear in this plane
        line = found[12, 8:16].astype(float)
        grown = np.diff(line)
        assert grown == pytest.approx([grown.mean()] * 7, rel=1e-3)
        at_sample = (100 + 4 * 4 - 128) / 224 * 2 * (1 - 0.114) + (128 - 16) / 219
        assert line[0] - grown.mean() * (0 - shift) == pytest.approx(at_sample, abs=1e-3)


@pytest.mark.parametrize("siting", [LEFT, CENTRE, TOP_LEFT, TOP])
def test_a_change_of_chroma_comes_back_alike(siting: int) -> None:
    """A smooth change of colour survives the way to the planes and back."""
    frame = av.VideoFrame(64, 48, "yuv420p10le")
    for plane in frame.planes:
        plane.update(np.full(plane.buffer_size // 2, 512, "<u2").tobytes())
    frame.color_range = 1
    shot = RgbFrame(frame, siting)
    y, x = np.mgrid[:48, :64].astype(np.float32)
    wanted = np.clip(shot.rgb, 0, 1) + 0.1 * np.dstack((np.sin(x / 9), 0 * x, np.cos(y / 9)))
    after = RgbFrame(shot.apply(wanted.astype(np.float32)), siting).rgb
    assert np.abs(after - wanted)[2:-2, 2:-2].max() < 0.006


def test_tags_of_transparent_vp9_are_kept(tmp_path: Path) -> None:
    """Its decoder knows nothing of the container, which alone states primaries and transfer."""
    colour = ("-color_primaries", "bt709", "-color_trc", "bt709", "-colorspace", "bt709")
    words = ("-pix_fmt", "yuva420p", "-c:v", "libvpx-vp9", "-frames:v", "3", "-color_range", "tv")
    source = ffmpeg(*PICTURES, *words, *colour, tmp_path / "in.webm")
    target = tmp_path / "out.webm"
    assert through(source, target).notes == ()
    assert tags(target) == tags(source)
    assert tags(target)[1:] == ["tv", "bt709", "bt709", "bt709"]


@pytest.mark.parametrize(
    ("before", "proposed"), [("yuv420p", "yuv444p"), ("yuv420p10le", "yuv444p10le")]
)
def test_an_odd_size_proposes_a_format_of_its_depth(
    tmp_path: Path, before: str, proposed: str
) -> None:
    odd = ("-vf", f"scale=35:33,format={before}", "-c:v", "ffv1", "-frames:v", "3")
    source, target = ffmpeg(*PICTURES, *odd, tmp_path / "in.mkv"), tmp_path / "out.mp4"
    with pytest.raises(ImageError, match=f"may need pix_fmt='{proposed}' or another codec"):
        through(source, target, EncodeOptions("h264"), restore=never)
    made = through(source, target, EncodeOptions("h264", None, proposed))
    assert made.encoding.pixel_format == proposed
