"""Start times and jumps of times, of clips that FFmpeg has made, read back by ffprobe."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from ffmpeg_program import PICTURES, SOUND, ffmpeg, ffprobe, shown, starts
from unchanged import through

BROADCAST = ("-c:v", "mpeg2video", "-bf", "2", "-c:a", "mp2", "-muxdelay", "0")
WRAP = 2**33 / 90000
"""Seconds after which the times of MPEG start again."""


def broadcast(path: Path, start: float) -> Path:
    return ffmpeg(*PICTURES, *SOUND, *BROADCAST, "-output_ts_offset", f"{start:.4f}", path)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("start", [40000, 7, WRAP - 0.5, WRAP - 30])
def test_a_broadcast_starts_at_zero(tmp_path: Path, start: float, suffix: str) -> None:
    """Also where the counter wraps within the clip: the times before are negative."""
    source = broadcast(tmp_path / "in.ts", start)
    target = tmp_path / f"out{suffix}"
    assert through(source, target).frames == 25
    times = shown(target)
    assert len(times) == 25
    assert times[-1] - times[0] == pytest.approx(24 / 25, abs=2e-3)
    old, new = starts(source), starts(target)
    assert min(new.values()) == pytest.approx(0, abs=1e-3)
    apart = old["video"] - old["audio"]
    assert new["video"] - new["audio"] == pytest.approx(apart, abs=2e-3)
    assert float(ffprobe(target)["format"]["duration"]) < 1.2


@pytest.mark.parametrize(
    ("name", "coding"),
    [
        ("in.mpg", BROADCAST),
        ("in.m2ts", BROADCAST),
        ("in.mkv", ("-c:v", "libx264", "-c:a", "aac", "-output_ts_offset", "40000")),
        ("in.mp4", ("-c:v", "libx264", "-c:a", "aac", "-output_ts_offset", "9")),
        ("in.flv", ("-c:v", "flv1", "-c:a", "mp3", "-ar", "44100", "-output_ts_offset", "9")),
        ("in.wmv", ("-c:v", "wmv2", "-c:a", "mp3", "-ar", "44100")),
    ],
)
def test_no_clip_begins_with_an_empty_second(
    tmp_path: Path, name: str, coding: tuple[str, ...]
) -> None:
    source = ffmpeg(*PICTURES, *SOUND, *coding, tmp_path / name)
    through(source, tmp_path / "out.mp4")
    old, new = starts(source), starts(tmp_path / "out.mp4")
    assert min(new.values()) == pytest.approx(0, abs=1e-3)
    assert new["video"] - new["audio"] == pytest.approx(old["video"] - old["audio"], abs=3e-3)
    assert len(shown(tmp_path / "out.mp4")) == 25


def test_chapters_and_later_sound_keep_their_distance(tmp_path: Path) -> None:
    words = tmp_path / "words.txt"
    words.write_text(
        ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=60400\nEND=60900\ntitle=Second\n"
    )
    late = ("-itsoffset", "0.3", *SOUND, "-i", words, "-map_chapters", "2")
    plain = ffmpeg(*PICTURES, *late, "-c:v", "libx264", "-c:a", "aac", tmp_path / "plain.mkv")
    source = ffmpeg("-i", plain, "-c", "copy", "-output_ts_offset", "60", tmp_path / "in.mkv")
    target = tmp_path / "out.mkv"
    through(source, target)
    old, new = starts(source), starts(target)
    assert old["video"] == pytest.approx(60, abs=0.05)
    assert new["video"] == pytest.approx(0, abs=0.03)
    assert new["audio"] - new["video"] == pytest.approx(old["audio"] - old["video"], abs=2e-3)
    pair = [ffprobe(path, "-show_chapters")["chapters"][0] for path in (source, target)]
    moved = float(pair[0]["start_time"]) - float(pair[1]["start_time"])
    assert pair[0]["start_time"] == "60.400000"
    assert moved == pytest.approx(old["video"] - new["video"], abs=2e-3)


@pytest.mark.parametrize("times", [(30000, 200), (200, 30000), (9, 9)])
def test_recordings_that_are_joined_follow_each_other(
    tmp_path: Path, times: tuple[int, int]
) -> None:
    """Times that jump make neither an hour without frames nor a refusal by the muxer."""
    parts = [broadcast(tmp_path / f"{i}.ts", start) for i, start in enumerate(times)]
    source, target = tmp_path / "in.ts", tmp_path / "out.mp4"
    source.write_bytes(b"".join(part.read_bytes() for part in parts))
    made = through(source, target)
    assert (made.frames, made.notes) == (50, ())
    found = shown(target)
    assert len(found) == 50
    apart = [after - before for before, after in itertools.pairwise(found)]
    assert max(apart) < 0.1
    sound = ffprobe(target, "-select_streams", "a", "-count_packets")["streams"][0]
    assert int(sound["nb_read_packets"]) >= 76  # of 78: those that overlap are left out
    assert abs(float(sound["duration"]) - 2) < 0.1


def test_avi_stores_frames_of_a_fixed_rate_whatever_their_start(tmp_path: Path) -> None:
    source = ffmpeg(*PICTURES, *SOUND, *BROADCAST, tmp_path / "in.mpg")
    made = through(source, tmp_path / "out.avi")
    words = ("-select_streams", "v", "-count_frames")
    counted = ffprobe(tmp_path / "out.avi", *words)["streams"][0]["nb_read_frames"]
    assert int(counted) == made.frames == 25
    (note,) = made.notes
    assert "times are rounded by up to 1" in note
