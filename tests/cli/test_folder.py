"""`restore denoise photos/ out/` as a person meets it."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from command import CommandResult, one_error_line, restore
from models import save_model
from pictures import saved, smooth
from PIL import Image

from restore.cli.folder_display import _Lines
from restore.cli.tally import Tally


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("identity"), identity=True)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    (tmp_path / "photos" / "sub").mkdir(parents=True)
    for name in ("a.png", "b.bmp", "sub/c.png"):
        saved(tmp_path / "photos" / name, smooth())
    return tmp_path / "photos"


def denoise(*words: object, model: Path) -> CommandResult:
    return restore("denoise", *words, "--model", model, "--device", "cpu")


def test_a_folder_is_restored_and_the_second_time_skipped(photos: Path, identity: Path) -> None:
    out = photos.with_name("new") / "out"
    outcome = denoise(photos, out, "--recursive", model=identity)
    assert outcome.code == 0, outcome.stderr
    assert outcome.stdout.startswith("3 done (")
    for name in ("a.png", "b.bmp", "sub/c.png"):
        np.testing.assert_array_equal(np.asarray(Image.open(out / name)), smooth())
    again = denoise(photos, out, "--recursive", "--json", model=identity)
    rows = [json.loads(line) for line in again.stdout.splitlines()]
    assert [row["status"] for row in rows] == ["skipped"] * 3
    assert rows[0]["input"] == str(photos / "a.png")
    other = denoise(photos, out, "--recursive", "--strength", "0.5", model=identity)
    assert other.stdout.startswith("3 done (")


def test_a_broken_picture_is_named_at_the_end(photos: Path, identity: Path) -> None:
    (photos / "a.png").write_bytes(b"no picture")
    out = photos.with_name("out")
    outcome = denoise(photos, out, model=identity)
    assert outcome.code == 1
    assert outcome.stdout.startswith("1 done, 1 failed (")
    reason = "not a picture in a format that can be read"
    assert outcome.stderr == f"failed: {photos / 'a.png'}: {reason}\n"
    assert (out / "b.bmp").exists()
    first = denoise(photos, photos.with_name("fast"), "--fail-fast", "--recursive", model=identity)
    assert first.code == 1
    assert "1 failed" in first.stdout
    assert "left" in first.stdout


def test_workers_share_the_memory(tmp_path: Path) -> None:
    model = save_model(tmp_path, memory={"cpu": {"float32": 1000.0}})
    (tmp_path / "photos").mkdir()
    saved(tmp_path / "photos" / "a.png", np.zeros((300, 300, 3), np.uint8))
    for workers in (1, 8):
        words = (tmp_path / "photos", tmp_path / f"of {workers}", "--max-memory", "248MiB")
        outcome = denoise(*words, "--workers", workers, model=model)
        assert outcome.code == 0
        assert ("memory allows tiles of 96 pixels" in outcome.stderr) == (workers == 8)


def test_a_dry_run_prints_the_plan_alone(photos: Path, identity: Path) -> None:
    out = photos.with_name("out")
    words = (photos / "*.png", photos / "b.bmp", out, "--suffix=-new", "--format=webp")
    outcome = denoise(*words, "--dry-run", model=identity)
    assert outcome.stdout.splitlines() == [
        f"{photos / 'a.png'} -> {out / 'a-new.webp'}",
        f"{photos / 'b.bmp'} -> {out / 'b-new.webp'}",
    ]
    assert not out.exists()


def test_wrong_usage_is_one_line(photos: Path, identity: Path, tmp_path: Path) -> None:
    one = photos / "a.png"
    alone = denoise(one, tmp_path / "x.png", "--suffix=-new", model=identity)
    assert "--suffix is for folders" in one_error_line(alone, code=2)
    assert "would replace the input" in one_error_line(denoise(photos, photos, model=identity))
    nothing = denoise(tmp_path / "*.jpg", tmp_path / "out", model=identity)
    assert "no pictures" in one_error_line(nothing)
    file = denoise(photos, one, model=identity)
    assert "is a file; name a folder" in one_error_line(file)
    several = denoise(one, photos / "b.bmp", "-", model=identity)
    assert "- is for one picture" in one_error_line(several, code=2)
    absent = denoise(tmp_path / "absent", tmp_path / "out", "-r", model=identity)
    assert "absent: no such file" in one_error_line(absent)


@pytest.mark.slow
def test_one_picture_into_a_folder(photos: Path, identity: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    assert denoise(photos / "a.png", out, model=identity).code == 0
    assert (out / "a.png").exists()


def start(*words: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "restore.cli", *map(str, words)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ)
    )


def wait_for(path: Path) -> None:
    end = time.monotonic() + 120
    while not path.exists():
        assert time.monotonic() < end, f"{path} never came"
        time.sleep(0.05)


@pytest.mark.slow
def test_ctrl_c_says_how_to_go_on(identity: Path, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for i in range(24):
        saved(tmp_path / "photos" / f"{i:02}.png", smooth(400, 600))
    out = tmp_path / "out"
    words = ("denoise", tmp_path / "photos", out, "--model", identity, "--device", "cpu")
    process = start(*words)
    wait_for(out / "02.png")
    process.send_signal(signal.SIGINT)
    said, complained = process.communicate(timeout=120)
    assert process.returncode == 130, complained
    assert "the same command goes on from there" in complained
    assert " left (" in said
    done = len(list(out.glob("*.png")))
    assert 3 <= done < 24
    assert not list(out.glob(".*.part"))
    outcome = restore(*words)
    assert outcome.code == 0
    assert outcome.stdout.startswith(f"{24 - done} done, {done} skipped (")


@pytest.mark.slow
def test_watching_takes_pictures_as_they_arrive(identity: Path, tmp_path: Path) -> None:
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    process = start("denoise", photos, out, "--watch", "--model", identity, "--device", "cpu")
    try:
        saved(photos / "a.png", smooth())
        wait_for(out / "a.png")
        saved(photos / "b.png", smooth())
        wait_for(out / "b.png")
        (photos / "c.png").write_bytes(b"half of it")
        assert process.stderr is not None
        assert any("c.png: not a picture" in line for line in process.stderr)  # at once
        saved(photos / "c.png", smooth())
        wait_for(out / "c.png")
    finally:
        process.send_signal(signal.SIGINT)
        said, complained = process.communicate(timeout=60)
    assert process.returncode == 0, complained
    assert said.startswith("3 done, 1 failed (")


# Pipes


def piped(content: bytes, *words: object) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "restore.cli", *map(str, words)]
    return subprocess.run(command, input=content, capture_output=True, check=False, timeout=240)


@pytest.mark.parametrize(("format_", "found"), [((), "PNG"), (("--format", "bmp"), "BMP")])
def test_a_picture_goes_through_a_pipe(
    photos: Path, identity: Path, format_: tuple[str, ...], found: str
) -> None:
    content = (photos / "a.png").read_bytes()
    words = ("--model", identity, "--device", "cpu", *format_)
    done = piped(content, "denoise", "-", "-", *words)
    assert (done.returncode, done.stderr) == (0, b"")
    with Image.open(io.BytesIO(done.stdout)) as picture:
        assert picture.format == found
        np.testing.assert_array_equal(np.asarray(picture), smooth())


def test_rejects_input_that_cannot_go_through_a_pipe(photos: Path, identity: Path) -> None:
    words = ("--model", identity)
    for content, options, code, complaint in (
        (b"", (), 1, b"error: standard input: is empty\n"),
        (b"text", (), 1, b"error: standard input: not a picture in a format that can be read\n"),
        (b"", ("--json",), 2, b"error: --json and the picture"),
        (b"", ("--format", "doc"), 2, b"error: --format is 'doc'"),
    ):
        done = piped(content, "denoise", "-", "-", *words, *options)
        assert done.returncode == code
        assert done.stderr.startswith(complaint)
        assert done.stdout == b""
    half = piped((photos / "a.png").read_bytes()[:60], "denoise", "-", photos / "out.png")
    assert half.returncode == 1
    assert not (photos / "out.png").exists()


def test_lines_of_progress_count_frames(capsys: pytest.CaptureFixture[str]) -> None:
    tally = Tally()
    tally.total = 2
    display = _Lines("denoise", tally, 0.0)
    display.frames(Path("a.png"), 0, 1)
    tally.all_frames(40, 300)
    display.frames(Path("a.mp4"), 40, 299)
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("denoise: 0 of 2, a.png, frame 0 of 1, 0.00 pictures/s")
    assert second.startswith("denoise: 0 of 2, a.mp4, frame 40 of 299, 40 of 300 frames, ")
