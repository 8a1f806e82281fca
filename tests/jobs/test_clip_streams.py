"""Sound, subtitles and time codes: kept, converted, or refused before the first frame is restored.

FFmpeg makes the clips, and ffprobe reads the results.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ffmpeg_program import PICTURES, SOUND, ffmpeg, ffprobe, shown, starts
from unchanged import never, through

from restore.errors import ImageError
from restore.media.video.encoders import EncodeOptions
from restore.media.video.text_subtitles import payload_for, text_of

H264 = ("-c:v", "libx264", "-preset", "ultrafast")


def sounding(path: Path, *coding: str) -> Path:
    return ffmpeg(*PICTURES, *SOUND, *H264, *coding, path)


def streams(path: Path, kind: str) -> list[dict[str, Any]]:
    return [s for s in ffprobe(path)["streams"] if s["codec_type"] == kind]


def refused(source: Path, target: Path, audio: str = "copy") -> str:
    """The line by which a clip is refused, before a frame is restored."""
    with pytest.raises(ImageError) as error:
        through(source, target, EncodeOptions(audio=audio), restore=never)
    assert not target.exists()
    assert not list(target.parent.glob(".*"))
    return str(error.value)


# Time codes


@pytest.mark.parametrize("suffix", [".mov", ".mp4", ".mkv"])
@pytest.mark.parametrize("code", ["01:02:03:04", "00:59:58;02"])
def test_time_codes_are_kept(tmp_path: Path, suffix: str, code: str) -> None:
    rate = ("-r", "30000/1001") if ";" in code else ()
    source = sounding(tmp_path / "in.mov", "-c:a", "aac", *rate, "-timecode", code)
    assert streams(source, "data")[0]["tags"]["timecode"] == code
    target = tmp_path / f"out{suffix}"
    made = through(source, target)
    assert not [note for note in made.notes if "times are rounded" not in note]
    tags = streams(target, "video")[0]["tags"]
    assert tags.get("timecode", tags.get("TIMECODE")) == code
    if suffix != ".mkv":
        (track,) = streams(target, "data")
        assert (track["codec_tag_string"], track["tags"]["timecode"]) == ("tmcd", code)


def test_a_container_without_time_codes_says_so(tmp_path: Path) -> None:
    source = ffmpeg(*PICTURES, *H264, "-bf", "0", "-timecode", "01:00:00:00", tmp_path / "in.mov")
    made = through(source, tmp_path / "out.avi")
    assert ".avi cannot store the video stream's tag 'timecode': left out" in made.notes


# Sound


@pytest.mark.parametrize(
    ("name", "coding"),
    [
        ("in.wmv", ("-c:v", "wmv2", "-c:a", "wmav2")),
        ("in.wmv", ("-c:v", "wmv2", "-c:a", "wmav1")),
        ("in.avi", ("-c:v", "mpeg4", "-c:a", "adpcm_ms")),
        ("in.avi", ("-c:v", "mpeg4", "-c:a", "adpcm_ima_wav")),
        ("in.mov", ("-c:a", "pcm_mulaw")),
    ],
)
def test_matroska_holds_sound_of_windows(
    tmp_path: Path, name: str, coding: tuple[str, ...]
) -> None:
    source, target = sounding(tmp_path / name, *coding, "-ac", "2"), tmp_path / "out.mkv"
    made = through(source, target)
    assert not [note for note in made.notes if "sound" in note or "audio" in note]
    pair = [streams(path, "audio")[0] for path in (source, target)]
    for what in ("codec_name", "sample_rate", "channels"):
        assert pair[1][what] == pair[0][what]
    assert "title" not in pair[1].get("tags", {})
    heard = [
        ffmpeg("-i", path, "-map", "a", "-f", "s16le", tmp_path / f"{path.name}.pcm").read_bytes()
        for path in (source, target)
    ]
    assert heard[0] == heard[1]
    assert len(heard[0]) > 150_000
    again = tmp_path / "again.mkv"
    through(target, again)
    assert streams(again, "audio")[0]["codec_name"] == pair[0]["codec_name"]


@pytest.mark.parametrize(
    ("suffix", "audio", "codec"),
    [(".mp4", "aac", "aac"), (".webm", "opus", "opus"), (".mkv", "opus", "opus")],
)
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_sound_is_encoded_and_stays_in_time(
    tmp_path: Path, suffix: str, audio: str, codec: str, channels: int
) -> None:
    coding = ("-c:a", "ac3", "-ac", str(channels), "-ar", "44100")
    source = sounding(tmp_path / "in.mkv", *coding)
    target = tmp_path / f"out{suffix}"
    video = "vp8" if suffix == ".webm" else None
    made = through(source, target, EncodeOptions(video, audio=audio))
    assert "audio stream 1 (ac3) is encoded again" in made.notes
    (sound,) = streams(target, "audio")
    assert (sound["codec_name"], sound["channels"]) == (codec, channels)
    old, new = starts(source), starts(target)
    assert new["audio"] - new["video"] == pytest.approx(old["audio"] - old["video"], abs=0.03)
    pcm = ffmpeg("-i", target, "-map", "a", "-ar", "48000", "-f", "s16le", tmp_path / "out.pcm")
    assert len(pcm.read_bytes()) / (2 * channels * 48000) == pytest.approx(1, abs=0.06)


def test_a_gap_in_the_sound_stays_a_gap(tmp_path: Path) -> None:
    late = ("-af", "aselect=not(between(t\\,0.3\\,0.7))")
    source = sounding(tmp_path / "in.mkv", "-c:a", "pcm_s16le", *late)
    target = tmp_path / "out.mp4"
    through(source, target, EncodeOptions(audio="aac"))
    sound = streams(target, "audio")[0]
    assert float(sound["duration"]) == pytest.approx(1, abs=0.06)


def test_sound_of_the_wanted_codec_is_copied_or_left_out(tmp_path: Path) -> None:
    source = sounding(tmp_path / "in.mp4", "-c:a", "aac")
    for name, audio, left in (("a.mkv", "aac", 1), ("b.mkv", "none", 0)):
        made = through(source, tmp_path / name, EncodeOptions(audio=audio))
        assert not [note for note in made.notes if "audio" in note]
        assert len(streams(tmp_path / name, "audio")) == left
    assert shown(tmp_path / "b.mkv")[0] == 0


def test_sound_that_does_not_fit_is_refused_with_what_to_type(tmp_path: Path) -> None:
    source = sounding(tmp_path / "in.mkv", "-c:a", "wmav2")
    said = refused(source, tmp_path / "out.mp4")
    assert "out.mp4: .mp4 cannot hold audio stream 1 (wmav2) as it is; use audio='aac' or" in said
    said = refused(source, tmp_path / "out.webm", "aac")
    assert said.endswith("use audio='opus' or audio='none' or an .mkv file")


# Subtitles

WORDS = "1\n00:00:00,100 --> 00:00:00,400\n<i>One</i> &\ntwo\n\n"
WORDS += "2\n00:00:00,500 --> 00:00:00,900\nThree\n"


@pytest.mark.parametrize(
    ("before", "codec", "after", "kept"),
    [
        ("in.mkv", "subrip", "out.mp4", "mov_text"),
        ("in.mkv", "ass", "out.mov", "mov_text"),
        ("in.mkv", "webvtt", "out.mp4", "mov_text"),
        ("in.mp4", "mov_text", "out.mkv", "subrip"),
        ("in.mkv", "subrip", "out.webm", "webvtt"),
        ("in.mp4", "mov_text", "out.webm", "webvtt"),
    ],
)
def test_text_subtitles_are_converted(
    tmp_path: Path, before: str, codec: str, after: str, kept: str
) -> None:
    (tmp_path / "words.srt").write_text(WORDS)
    words = ("-i", tmp_path / "words.srt", "-c:s", codec, "-metadata:s:s:0", "language=fra")
    source = ffmpeg(*PICTURES, *words, *H264, tmp_path / before)
    target = tmp_path / after
    made = through(source, target, EncodeOptions("vp8" if after.endswith("webm") else None))
    style = ", without its styles" if codec == "ass" else ""
    assert f"subtitle stream 1 ({codec}) is converted to {kept}{style}" in made.notes
    (text,) = streams(target, "subtitle")
    assert (text["codec_name"], text["tags"]["language"]) == (kept, "fra")
    srt = ffmpeg("-i", target, "-map", "s", tmp_path / "out.srt").read_text()
    assert "00:00:00,100 --> 00:00:00,400" in srt
    assert "00:00:00,500 --> 00:00:00,900" in srt
    assert "One" in srt
    assert "two" in srt
    assert srt.rstrip().endswith("Three")


def test_subtitles_without_a_place_are_left_out_with_a_note(tmp_path: Path) -> None:
    (tmp_path / "words.srt").write_text(WORDS)
    words = ("-i", tmp_path / "words.srt", "-c:s", "subrip")
    source = ffmpeg(*PICTURES, *words, *H264, "-bf", "0", tmp_path / "in.mkv")
    made = through(source, tmp_path / "out.avi")
    assert any("cannot hold subtitle stream 1 (subrip) as it is: left out" in n for n in made.notes)


def test_texts_of_subtitles() -> None:
    ass = rb"0,0,Default,,0,0,0,,{\an8\i1}Up,{\i0} there\Nnow{\pos(1,2)}\h!"
    assert text_of("ass", ass) == "<i>Up,</i> there\nnow !"
    assert text_of("mov_text", b"\x00\x03abcstyl....") == "abc"
    assert payload_for("mov_text", "<b>a</b>\nb <3") == b"\x00\x06a\nb <3"
    assert payload_for("subrip", "<b>a</b>") == b"<b>a</b>"
    assert text_of("subrip", b"a\r\nb\n") == "a\nb"


# The trial


def test_frames_that_avi_cannot_time_are_refused_first(tmp_path: Path) -> None:
    late = ("-vf", "select=not(eq(n\\,20))+0,setpts=if(gt(N\\,20)\\,PTS+0.013/TB\\,PTS)")
    source = ffmpeg(*PICTURES, *late, *H264, "-fps_mode", "vfr", tmp_path / "in.mp4")
    said = refused(source, tmp_path / "out.avi")
    assert "does not keep to" in said
    assert "second, and .avi has no other times; use .mkv or .mp4" in said
