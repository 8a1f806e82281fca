"""`restore eval` as a user runs it: real subprocesses, real files."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import one_error_line, restore
from models import save_model
from PIL import Image

from restore.evaluate.metrics import luma, psnr, ssim


def folder(path: Path, count: int = 2, shift: int = 0, side: int = 40) -> Path:
    """Pictures of a smooth scene, ``shift`` brighter."""
    path.mkdir()
    y, x = np.mgrid[:side, : side + 8]
    for i in range(count):
        pixels = np.dstack((60 + 3 * x, 80 + 2 * y, 120 + x - y)) + 10 * i + shift
        Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(path / f"{i}.png")
    return path


@pytest.fixture
def pairs(tmp_path: Path) -> tuple[object, ...]:
    inputs, targets = folder(tmp_path / "input", shift=8), folder(tmp_path / "target")
    return ("--input", inputs, "--target", targets)


@pytest.fixture
def identity(tmp_path: Path) -> Path:
    return save_model(tmp_path, identity=True)


def strict(text: str) -> Any:
    """JSON, and not what Python takes for it."""

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


def test_noise_is_added_and_what_the_identity_leaves_is_measured(
    identity: Path, tmp_path: Path
) -> None:
    targets = tmp_path / "target"
    targets.mkdir()
    for i in range(2):
        Image.new("RGB", (40, 30), (100, 120, 140)).save(targets / f"{i}.png")
    command = ("eval", "denoise", "--target", targets, "--model", identity)
    outcome = restore(*command, "--sigma", "25", "--json", "--input-itself")
    values = strict(outcome.stdout)
    assert outcome.stderr == ""
    assert len(values["rows"]) == 4
    model, itself = values["means"]
    assert (model["subject"], itself["subject"]) == ("tiny", "input")
    # 20 log10(255 / 25) = 20.17 dB of noise, minus what rounding adds.
    assert itself["PSNR"] == pytest.approx(20.17, abs=0.3)
    assert model["PSNR"] == pytest.approx(itself["PSNR"], abs=0.02)
    assert "uint8" in values["conditions"]
    assert "default_rng(i)" in values["conditions"]
    silent = strict(restore(*command, "--sigma", "0", "--json").stdout)
    assert silent["means"] == [{"subject": "tiny", "PSNR": None, "SSIM": 1.0}]
    assert restore(*command).code == 2
    assert restore(*command, "--sigma", "0", "--input", targets).code == 2


def test_the_table_the_csv_and_every_subject(
    pairs: tuple[object, ...], identity: Path, tmp_path: Path
) -> None:
    model = save_model(tmp_path, identity=True, name="rainy", task="derain")
    file = tmp_path / "figures.csv"
    command = ("eval", "derain", *pairs, "--model", model, "--precision", "float32")
    outcome = restore(*command, "--methods", "--input-itself", "--csv", file)
    assert (outcome.code, outcome.stderr) == (0, "")
    lines = [line.split() for line in outcome.stdout.splitlines()]
    assert lines[0] == ["picture", "by", "PSNR", "SSIM", "PSNR-Y", "SSIM-Y"]
    assert [line[:2] for line in lines[1:10]] == [
        [picture, subject]
        for picture in ("0", "1", "mean")
        for subject in ("rainy", "median", "input")
    ]
    notes = {line.partition(": ")[0] for line in outcome.stdout.splitlines()[10:]}
    assert notes == {"rainy", "median", "input", "PSNR", "SSIM", "PSNR-Y", "SSIM-Y", "all"}
    with open(file, newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 6
    degraded, target = (
        np.asarray(Image.open(tmp_path / side / "1.png")) for side in ("input", "target")
    )
    expected = psnr(degraded, target), ssim(luma(degraded), luma(target))
    for row in (rows[3], rows[5]):  # the identity, and the input itself
        assert (float(row["PSNR"]), float(row["SSIM-Y"])) == expected
    kept = one_error_line(restore(*command, "--csv", file))
    assert "figures.csv: exists already; give --overwrite" in kept
    quiet = restore(*command, "--csv", file, "--overwrite", "--quiet")
    assert [line.split()[0] for line in quiet.stdout.splitlines()[:2]] == ["picture", "mean"]
    assert len(file.read_text().splitlines()) == 3


def test_compares_methods_with_the_model(pairs: tuple[object, ...], tmp_path: Path) -> None:
    model = ("--model", "enhance-lol")
    command = ("eval", "enhance", *pairs, "--methods", "--json")
    outcome = restore(*command, home=tmp_path / "empty")
    values = strict(outcome.stdout)
    assert [mean["subject"] for mean in values["means"]] == ["enhance-s1", "gamma", "clahe"]
    assert "PSNR-GT-mean" in values["metrics"]
    missing = one_error_line(restore(*command, *model, home=tmp_path / "empty"))
    assert "restore weights pull enhance-lol" in missing


def test_rejects_unmeasurable_input(
    pairs: tuple[object, ...], identity: Path, tmp_path: Path
) -> None:
    command = ("eval", "denoise", "--model", identity, "--json")
    source, target = ("--input", tmp_path / "input"), ("--target", tmp_path / "target")
    absent = restore(*command, "--input", tmp_path / "absent", *target)
    assert "absent: no such folder" in one_error_line(absent)
    (tmp_path / "input" / "1.png").rename(tmp_path / "input" / "2.png")
    unpaired = one_error_line(restore(*command, *source, *target))
    assert "input: has no picture called 1" in unpaired
    (tmp_path / "input" / "2.png").rename(tmp_path / "input" / "1.png")
    Image.new("RGB", (48, 41)).save(tmp_path / "input" / "1.png")
    file = tmp_path / "figures.csv"
    differing = one_error_line(restore(*command, *source, *target, "--csv", file))
    assert "1.png: is 48 x 41" in differing
    assert not file.exists()
    unknown = restore("eval", "sharpen", *source, *target)
    assert "no task is called 'sharpen'" in one_error_line(unknown, code=2)


def test_a_clip_flickers_less_with_temporal_and_both_figures_are_told(
    identity: Path, tmp_path: Path
) -> None:
    """The identity leaves all noise, which blending lowers."""
    clip = folder(tmp_path / "clip", count=1)
    for i in range(1, 5):
        (clip / f"{i}.png").write_bytes((clip / "0.png").read_bytes())
    command = ("eval", "denoise", "--video", clip, "--model", identity)
    outcome = restore(*command, "--sigma", "10", "--json")
    values = strict(outcome.stdout)
    assert (outcome.code, outcome.stderr) == (0, "")
    assert (values["frames"], values["cuts"]) == (5, 0)
    assert "default_rng(i)" in values["conditions"]
    assert list(values["metrics"]) == ["flicker", "PSNR", "SSIM"]
    itself, before, after, truth = values["means"]
    assert [itself["subject"], truth["subject"]] == ["input", "truth"]
    # Two frames of noise differ by 2 sigma / sqrt(pi) in the mean.
    assert before["flicker"] == pytest.approx(11.3, abs=0.5)
    assert after["flicker"] < 0.7 * before["flicker"]
    assert after["PSNR"] > before["PSNR"] + 2
    assert truth["flicker"] == 0
    known = restore(*command, "--target", clip)
    lines = [line.split() for line in known.stdout.splitlines()]
    assert lines[0] == ["by", "flicker", "PSNR", "SSIM"]
    assert lines[1] == ["input", "0.000", "inf", "1.000"]
    assert lines[3][:2] == ["tiny", "--temporal"]
    unknown = restore(*command)
    lines = [line.split() for line in unknown.stdout.splitlines()]
    assert lines[0] == ["by", "flicker"]
    assert [line[0] for line in lines[1:4]] == ["input", "tiny", "tiny"]
    assert lines[4][0] == "tiny:"


def test_rejects_options_of_pictures_for_clips(identity: Path, tmp_path: Path) -> None:
    clip = folder(tmp_path / "clip")
    command = ("eval", "denoise", "--video", clip, "--model", identity)
    for options, what in (
        (("--input", clip), "--video goes without --input"),
        (("--csv", tmp_path / "a.csv"), "--video goes without --input"),
        (("--target", clip, "--sigma", 5), "--video takes --target or --sigma"),
    ):
        outcome = restore(*command, *options)
        assert outcome.code == 2
        assert what in outcome.stderr
    assert "give --target, or --video" in restore("eval", "denoise", "--sigma", 5).stderr
    absent = restore("eval", "denoise", "--video", tmp_path / "absent.mp4", "--model", identity)
    assert "absent.mp4: no such file" in one_error_line(absent)


def test_lpips_without_a_backbone_is_one_line(pairs: tuple[object, ...], tmp_path: Path) -> None:
    command = ("eval", "dehaze", *pairs, "--input-itself", "--json", "--lpips")
    nowhere = "http://127.0.0.1:9"
    variables = {"https_proxy": nowhere, "HTTPS_PROXY": nowhere, "TORCH_HOME": str(tmp_path)}
    offline = restore(*command, "alex", RESTORE_LPIPS_BACKBONE="", **variables)
    assert "set RESTORE_LPIPS_BACKBONE to a folder that holds alexnet" in one_error_line(offline)


def test_lpips_is_measured_where_the_backbones_are(pairs: tuple[object, ...]) -> None:
    shared = Path(__file__).resolve().parents[3] / "shared" / "lpips"
    if not shared.is_dir():
        pytest.skip(f"{shared} is not here")
    outcome = restore(
        *("eval", "dehaze", *pairs, "--methods", "--input-itself", "--json"),
        *("--lpips", "squeeze", "--lpips", "alex"),
        RESTORE_LPIPS_BACKBONE=str(shared),
    )
    values = strict(outcome.stdout)
    assert list(values["metrics"])[2:] == ["LPIPS-squeeze", "LPIPS-alex"]
    assert all(0 < row["LPIPS-alex"] < 1 for row in values["rows"])
