"""`restore denoise clip.mp4 out.mp4` as a person meets it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from clips import ClipRecipe, frames, make, packets, samples, scene, stamps
from command import CommandResult, one_error_line, restore
from models import save_model
from pictures import saved
from PIL import Image

from restore.jobs.routing import is_clip_run

SHORT = ClipRecipe(stamps=tuple(range(0, 6 * 512, 512)), sounds=("eng",))


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("identity"), identity=True)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("tiny"))


def denoise(*words: object, model: Path) -> CommandResult:
    return restore("denoise", *words, "--model", model, "--device", "cpu")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("suffix", "codec"),
    [
        (".mp4", "libx264"),
        (".mkv", "ffv1"),
        (".webm", "libvpx-vp9"),
        (".mov", "prores_ks"),
        (".avi", "mpeg4"),
    ],
)
def test_a_clip_in_every_container(tmp_path: Path, identity: Path, suffix: str, codec: str) -> None:
    """The network returns what it gets: so does everything around it."""
    sound = {".webm": "libopus", ".avi": "mp3"}.get(suffix, "aac")
    pixel_format = "yuv422p10le" if codec == "prores_ks" else "yuv420p"
    recipe = ClipRecipe(
        codec, pixel_format, stamps=SHORT.stamps, sounds=("eng",), sound_codec=sound
    )
    source, target = make(tmp_path / f"in{suffix}", recipe), tmp_path / f"out{suffix}"
    outcome = denoise(source, target, "--json", model=identity)
    assert outcome.code == 0, outcome.stderr
    assert outcome.stderr == ""
    row = json.loads(outcome.stdout)
    assert (row["frames"], row["codec"], row["pix_fmt"]) == (6, codec, pixel_format)
    assert row["notes"] == []
    assert (row["backend"], row["width"], row["height"]) == ("torch", 64, 48)
    assert stamps(target) == stamps(source)
    assert packets(target, "audio") == packets(source, "audio")
    for before, after in zip(frames(source), frames(target), strict=True):
        if codec == "ffv1":
            assert samples(after) == samples(before)
        pair = [picture.to_ndarray(format="gray").astype(int) for picture in (before, after)]
        assert np.abs(pair[0] - pair[1]).mean() < 2
    assert sorted(p.name for p in tmp_path.iterdir()) == [source.name, target.name]


def test_a_network_that_does_something_and_steadies_it(tmp_path: Path, tiny: Path) -> None:
    source = make(tmp_path / "in.mkv", ClipRecipe("ffv1", stamps=SHORT.stamps))
    pictures = []
    for name, words in (("plain", ()), ("steady", ("--temporal",)), ("half", ("--strength", "0"))):
        outcome = denoise(source, tmp_path / f"{name}.mkv", *words, model=tiny)
        assert outcome.code == 0, outcome.stderr
        assert "6 frames" in outcome.stdout
        assert outcome.stderr == ""
        pictures.append([samples(picture) for picture in frames(tmp_path / f"{name}.mkv")])
    before = [samples(picture) for picture in frames(source)]
    plain, steady, nothing = pictures
    assert nothing == before
    assert plain[0] != before[0]
    assert steady[0] == plain[0]
    assert steady[1:] != plain[1:]


def test_pictures_and_clips_become_each_other(tmp_path: Path, identity: Path) -> None:
    (tmp_path / "frames").mkdir()
    (tmp_path / "out").mkdir()
    for number in range(3):
        saved(tmp_path / "frames" / f"{number:05}.png", scene(number))
    pattern, out = tmp_path / "frames" / "%05d.png", tmp_path / "out" / "%05d.png"
    outcome = denoise(pattern, out, model=identity)
    assert outcome.code == 0, outcome.stderr
    assert "3 frames" in outcome.stdout
    np.testing.assert_array_equal(np.asarray(Image.open(out.with_name("00002.png"))), scene(2))
    assert "exists already; --resume" in one_error_line(denoise(pattern, out, model=identity))
    assert denoise(pattern, out, "--resume", model=identity).code == 0
    clip = tmp_path / "clip.mp4"
    outcome = denoise(pattern, clip, "--fps", "24", model=identity)
    assert outcome.code == 0, outcome.stderr
    assert outcome.stderr == "note: libx264 does not keep RGB: encoded as yuv420p\n"
    assert len(frames(clip)) == 3
    missing = denoise(tmp_path / "frames", tmp_path / "x.mp4", model=identity)
    assert "give --fps" in one_error_line(missing, code=2)
    outcome = denoise(clip, tmp_path / "out" / "c%d.png", "--quiet", model=identity)
    assert (outcome.code, outcome.stdout, outcome.stderr) == (0, "", "")
    found = np.asarray(Image.open(tmp_path / "out" / "c3.png")).astype(int)
    assert np.abs(found - scene(2)).mean() < 5


def test_an_animation_stays_one(tmp_path: Path, identity: Path) -> None:
    pictures = [Image.fromarray(scene(number)) for number in range(3)]
    source = tmp_path / "in.png"
    pictures[0].save(source, save_all=True, append_images=pictures[1:], duration=[40, 80, 120])
    outcome = denoise(source, tmp_path / "out.png", model=identity)
    assert outcome.code == 0, outcome.stderr
    with Image.open(tmp_path / "out.png") as made:
        assert made.n_frames == 3
        made.seek(2)
        np.testing.assert_array_equal(np.asarray(made.convert("RGB")), scene(2))
        assert made.info["duration"] == 120
    still = denoise(source, tmp_path / "out.jpg", model=identity)
    assert still.code == 0, still.stderr


def test_wrong_usage_is_one_line(tmp_path: Path, identity: Path) -> None:
    source = make(tmp_path / "in.mp4", SHORT)
    picture = saved(tmp_path / "in.png", scene(0))
    for words, code, complaint in (
        ((tmp_path / "none.mp4", tmp_path / "o.mp4"), 1, "none.mp4: no such file"),
        ((source, source), 1, "exists already"),
        ((source, source, "--overwrite"), 1, "is the input"),
        ((source, tmp_path / "o.doc"), 1, "unknown kind of clip '.doc'"),
        ((source, tmp_path / "o.mp4", "--codec", "none"), 2, "codec is 'none'"),
        ((source, tmp_path / "o.mp4", "--fps", "24"), 2, "--fps is for numbered pictures"),
        ((source, tmp_path / "o.mp4", "--recursive"), 2, "--recursive is for folders"),
        ((picture, tmp_path / "o.png", "--crf", "3"), 2, "in.png is a picture"),
        ((source, tmp_path / "%d.png", "--temporal", "--resume"), 2, "--resume leaves out frames"),
    ):
        assert complaint in one_error_line(denoise(*words, model=identity), code=code)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.mp4", "in.png"]


@pytest.mark.slow
def test_ctrl_c_says_how_to_go_on(tmp_path: Path, tiny: Path) -> None:
    recipe = ClipRecipe(height=64, width=64, stamps=tuple(range(0, 240 * 512, 512)))
    source, target = make(tmp_path / "in.mp4", recipe), tmp_path / "out.mp4"
    words = ("denoise", source, target, "--model", tiny, "--device", "cpu", "--temporal")
    command = [sys.executable, "-m", "restore.cli", *map(str, words)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    first = tmp_path / ".out.mp4.restore" / "000000.segment"
    end = time.monotonic() + 120
    while not first.exists():
        assert time.monotonic() < end
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    said, complained = process.communicate(timeout=120)
    assert process.returncode == 130, complained
    assert "stopped: 120 frames are kept; --resume goes on from there" in complained
    assert said == ""
    assert not target.exists()
    assert "--resume continues it, --overwrite starts again" in one_error_line(restore(*words))
    outcome = restore(*words, "--resume", "--json")
    assert outcome.code == 0, outcome.stderr
    assert json.loads(outcome.stdout)["resumed"] == 120
    whole = tmp_path / "whole.mp4"
    assert restore("denoise", source, whole, *words[3:]).code == 0
    assert target.read_bytes() == whole.read_bytes()


def test_detects_clips_by_name(tmp_path: Path) -> None:
    for source, target, expected in (
        ("a.mp4", "b.mp4", True),
        ("a.MOV", "folder", True),
        ("frames/%05d.png", "out/%05d.png", True),
        ("frames", "b.mkv", True),
        ("a.png", "b.png", False),
        ("a.gif", "b.gif", False),  # there is none
        ("photos", "out", False),
        ("-", "b.mp4", False),
        ("100%.png", "b.png", False),
    ):
        assert is_clip_run([Path(source)], Path(target)) == expected, source
    assert not is_clip_run([Path("a.mp4"), Path("b.mp4")], Path("out"))
