"""`restore auto`: what it prints and writes, with judgements to order; then with the real judge."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import typer
from command import one_error_line, restore
from judgements import judgement, use, use_tiny_models
from pictures import saved, smooth
from typer.testing import CliRunner, Result

from restore.cli import auto

ROOT = Path(__file__).resolve().parents[2]
CLEAN = ROOT / "samples" / "cat-clean.png"
NOISY = ROOT / "samples" / "cat-noisy.png"
CPU = ("--device", "cpu", "--precision", "float32")
SICK = judgement(0.4, noise=0.9, blur=0.8)
TWO_STEPS = (SICK, judgement(0.5, blur=0.8), judgement(0.3, blur=0.9))


@pytest.fixture
def tiny_models(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use_tiny_models(monkeypatch, tmp_path / "weights")


@pytest.fixture
def source(tmp_path: Path, tiny_models: None) -> Path:
    return saved(tmp_path / "in.png", smooth())


def run(*words: object) -> Result:
    app = typer.Typer()
    app.command()(auto.auto)
    return CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)


def test_prints_a_line_for_each_step(monkeypatch: pytest.MonkeyPatch, source: Path) -> None:
    use(monkeypatch, *TWO_STEPS)
    out = source.with_name("out.png")
    lines = run(source, out, *CPU).stdout.splitlines()
    assert lines[:2] == [
        "denoise (denoise-s1, strength 1.00): noise 90% to 1%, quality 0.400 to 0.500",
        "deblur (deblur-s1, strength 1.00): blur 80% to 90%, quality 0.500 to 0.300; undone",
    ]
    assert lines[2].startswith(f"{source} -> {out} (denoise; cpu float32, 56 x 40, ")
    assert len(lines) == 3
    assert out.is_file()


def test_prints_steps_as_json(monkeypatch: pytest.MonkeyPatch, source: Path) -> None:
    use(monkeypatch, *TWO_STEPS)
    values = json.loads(run(source, source.with_name("out.png"), *CPU, "--json").stdout)
    assert values["heads"] == ["denoise"]
    first, second = values["steps"]
    assert (first["head"], first["model"], first["kept"]) == ("denoise", "denoise-s1", True)
    assert (second["probability"], second["probability_after"]) == (0.8, 0.9)
    assert (second["quality"], second["quality_after"], second["kept"]) == (0.5, 0.3, False)
    assert values["judgement"]["quality"] == 0.4


def test_a_dry_run_writes_nothing(monkeypatch: pytest.MonkeyPatch, source: Path) -> None:
    use(monkeypatch, SICK, SICK, judgement(0.95))
    out = source.with_name("out.png")
    lines = run(source, out, "--dry-run", "--quality", "fast").stdout.splitlines()
    assert [line.split(",")[0] for line in lines] == [
        f"{source}: would apply denoise (denoise-small",
        f"{source}: would apply deblur (deblur-small",
    ]
    values = json.loads(run(source, out, "--dry-run", "--json").stdout)
    assert [step["head"] for step in values["steps"]] == ["denoise", "deblur"]
    assert values["steps"][0]["quality_after"] is None
    healthy = run(source, out, "--dry-run").stdout
    assert healthy == f"{source}: nothing to restore\n"
    assert not out.exists()


def test_says_why_a_picture_was_copied(monkeypatch: pytest.MonkeyPatch, source: Path) -> None:
    use(monkeypatch, judgement(0.95), judgement(0.4, noise=0.9), judgement(0.4, noise=0.9))
    out = source.with_name("out.png")
    text = run(source, out, *CPU).stdout
    assert text == f"{source} -> {out} (nothing to restore; copied as it is)\n"
    text = run(source, out, *CPU, "--overwrite").stdout
    assert text.endswith(f"; undone\n{source} -> {out} (no step helped; copied as it is)\n")
    assert out.read_bytes() == source.read_bytes()


def test_says_that_a_healthy_picture_was_encoded_where_it_was(
    monkeypatch: pytest.MonkeyPatch, source: Path
) -> None:
    use(monkeypatch, *[judgement(0.95)] * 3)
    other, deep = source.with_name("out.bmp"), source.with_name("deep.png")
    assert run(source, other, *CPU).stdout.endswith("(nothing to restore; encoded again)\n")
    words = (source, deep, *CPU, "--bit-depth", "16")
    assert json.loads(run(*words, "--json").stdout)["copied"] is False
    same = source.with_name("same.png")
    words = (source, same, *CPU, "--stamp", "--max-pixels", "100000")
    assert json.loads(run(*words, "--json").stdout)["copied"] is True
    assert same.read_bytes() == source.read_bytes()


def test_a_folder_prints_every_picture_and_the_count(
    monkeypatch: pytest.MonkeyPatch, source: Path
) -> None:
    healthy = judgement(0.95)
    use(monkeypatch, SICK, healthy, *TWO_STEPS, healthy)
    folder, out = source.parent / "photos", source.parent / "out"
    folder.mkdir()
    saved(folder / "a.png", smooth())
    saved(folder / "b.png", smooth())
    planned = run(folder, out, "--dry-run").stdout.splitlines()
    assert planned[0].startswith(f"{folder / 'a.png'}: would apply denoise (denoise-s1, ")
    assert planned[-1] == f"{folder / 'b.png'}: nothing to restore"
    assert not out.exists()
    lines = run(folder, out, *CPU).stdout.splitlines()
    assert lines[2].startswith(f"{folder / 'a.png'} -> {out / 'a.png'} (denoise; cpu float32, ")
    assert lines[3].endswith(" (nothing to restore; copied as it is)")
    assert lines[4].startswith("2 done (")
    assert run(folder, out, *CPU).stdout.startswith("2 skipped (")


def test_wrong_input_is_one_line(tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    assert "no pictures" in one_error_line(restore("auto", tmp_path, tmp_path / "new"))
    assert "name a head for a clip" in one_error_line(restore("auto", "clip.mp4", out), 2)
    assert "no such file" in one_error_line(restore("auto", tmp_path / "no.png", out))
    broken = tmp_path / "broken.png"
    broken.write_bytes(NOISY.read_bytes()[:99])
    assert "broken.png" in one_error_line(restore("auto", broken, out))
    assert not out.exists()


def test_the_shipped_judge_finds_noise_and_a_missing_model_is_one_line(tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    with_plan = json.loads(restore("auto", NOISY, out, "--dry-run", "--json").stdout)
    assert with_plan["steps"][0]["head"] == "denoise"
    line = one_error_line(restore("auto", NOISY, out, "--quality", "best"))
    assert "restore weights pull denoise" in line
    assert not out.exists()


def test_the_shipped_judge_leaves_a_clean_picture_alone(tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    outcome = restore("auto", CLEAN, out)
    assert outcome.stdout == f"{CLEAN} -> {out} (nothing to restore; copied as it is)\n"
    assert out.read_bytes() == CLEAN.read_bytes()
    # Also onto itself, which changes nothing.
    assert restore("auto", out, out, "--overwrite", "--quiet").stdout == ""
    assert out.read_bytes() == CLEAN.read_bytes()


@pytest.mark.slow
def test_the_shipped_judge_sees_noise_go(tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    values = json.loads(restore("auto", NOISY, out, "--quality", "fast", "--json").stdout)
    assert values["heads"][0] == "denoise"
    from PIL import Image

    def error(path: Path) -> float:
        with Image.open(path) as file, Image.open(CLEAN) as clean:
            return float(np.square(np.asarray(file, float) - np.asarray(clean, float)).mean())

    assert error(out) < error(NOISY) / 3


def test_a_clean_picture_goes_through_pipes_byte_for_byte(tmp_path: Path) -> None:
    content, out = CLEAN.read_bytes(), tmp_path / "out.png"
    command = [sys.executable, "-m", "restore.cli", "auto", "-"]
    piped = subprocess.run([*command, "-"], input=content, capture_output=True, check=True)
    assert piped.stdout == content
    subprocess.run([*command, out], input=content, capture_output=True, check=True)
    assert out.read_bytes() == content
