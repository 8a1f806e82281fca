"""Interlaced clips made by FFmpeg: found, and deinterlaced."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from ffmpeg_program import ffmpeg, ffprobe, shown
from unchanged import through

from restore.media.video import interlacing
from restore.media.video.decode import frames
from restore.media.video.encoders import EncodeOptions
from restore.media.video.interlacing import Deinterlacer
from restore.media.video.probe import probe

FLAGS = ("-c:v", "mpeg2video", "-flags", "+ildct+ilme", "-b:v", "4M")
FIELDS = "interlace=scan={}:lowpass=off"


def scene(seconds: float = 1, noise: int = 0) -> tuple[str, ...]:
    grain = f",noise=alls={noise}:allf=t" if noise else ""
    return ("-f", "lavfi", "-i", f"testsrc2=size=320x240:rate=50:duration={seconds}{grain}")


def interlaced(path: Path, order: str = "tff", noise: int = 0) -> Path:
    top = "1" if order == "tff" else "0"
    return ffmpeg(*scene(noise=noise), "-vf", FIELDS.format(order), *FLAGS, "-top", top, path)


def psf(path: Path, seconds: float = 1, noise: int = 0) -> Path:
    """Progressive frames in a stream that is flagged as interlaced."""
    words = ("-vf", "fps=25,setfield=tff", *FLAGS, "-top", "1")
    return ffmpeg(*scene(seconds, noise), *words, path)


@pytest.mark.parametrize("noise", [0, 30])
def test_tells_interlaced_frames_from_flagged_ones(tmp_path: Path, noise: int) -> None:
    for order in ("tff", "bff"):
        assert probe(interlaced(tmp_path / "a.mpg", order, noise)).interlaced == "flagged"
    clip = probe(psf(tmp_path / "b.mpg", noise=noise))
    assert (clip.flagged, clip.interlaced) == (True, "progressive")
    assert interlacing.notes(clip, 0)
    assert probe(tmp_path / "b.mpg", "off").interlaced == "off"


def combs(path: Path) -> float:
    """How much neighbouring lines differ, beyond what lines two apart do."""
    total = 0.0
    for frame in frames(probe(path, "off")):
        luma = frame.to_ndarray(format="gray").astype(int)
        total += np.abs(luma[1:] - luma[:-1]).mean() - np.abs(luma[2:] - luma[:-2]).mean() / 2
    return total


def test_auto_deinterlaces_what_is_interlaced(tmp_path: Path) -> None:
    source, target = interlaced(tmp_path / "in.mpg"), tmp_path / "out.mkv"
    made = through(source, target, EncodeOptions("ffv1"))
    assert made.frames == 25
    assert "25 frames are interlaced: deinterlaced by bwdif, one frame of two fields" in made.notes
    assert ffprobe(target)["streams"][0].get("field_order", "unknown") in ("progressive", "unknown")
    assert combs(target) < 0.7 * combs(source)


def test_progressive_frames_keep_every_sample(tmp_path: Path) -> None:
    source, target = psf(tmp_path / "in.mpg"), tmp_path / "out.mkv"
    made = through(source, target, EncodeOptions("ffv1"))
    assert any("flagged as interlaced, but are progressive" in note for note in made.notes)
    pairs = zip(frames(probe(source, "off")), frames(probe(target)), strict=True)
    for before, after in pairs:
        np.testing.assert_array_equal(before.to_ndarray(), after.to_ndarray())
        assert not after.interlaced_frame


@pytest.mark.parametrize("seconds", [0.04, 0.08, 0.12])
@pytest.mark.parametrize("wanted", ["auto", "off", "bwdif"])
def test_no_frame_is_lost_in_the_filter(tmp_path: Path, seconds: float, wanted: str) -> None:
    clip = probe(psf(tmp_path / "in.mpg", seconds), wanted)
    worker = Deinterlacer(clip)
    found = list(frames(clip, worker))
    count = round(25 * seconds)
    assert len(found) == count
    # One frame cannot be judged.
    assert worker.changed == (count if wanted == "bwdif" or (wanted, count) == ("auto", 1) else 0)
    stamps = [frame.pts for frame in found]
    assert [b - a for a, b in itertools.pairwise(stamps)] == [3600] * (count - 1)


def test_frames_of_a_clip_that_are_not_flagged_stay(tmp_path: Path) -> None:
    """Of a broadcast whose first part is progressive."""
    rates = ("-r", "25", "-c:v", "mpeg2video", "-b:v", "4M", "-g", "12")
    plain = ffmpeg(*scene(0.4), *rates, tmp_path / "a.ts")
    source = tmp_path / "in.ts"
    source.write_bytes(plain.read_bytes() + interlaced(tmp_path / "b.ts").read_bytes())
    clip = probe(source)
    assert (clip.flagged, clip.interlaced) == (False, "flagged")
    worker = Deinterlacer(clip)
    found = list(frames(clip, worker))
    before = list(frames(probe(plain)))
    assert len(found) == len(shown(source))  # the decoder drops one at the join
    assert worker.changed == 25
    for one, other in zip(found, before[:9], strict=False):
        np.testing.assert_array_equal(one.to_ndarray(), other.to_ndarray())
