"""`restore inspect` and `restore auto` as a person meets them: real processes, real files."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from command import one_error_line, restore
from pictures import saved
from PIL import Image

from restore.checkpoints import store

ROOT = Path(__file__).resolve().parents[2]
CLEAN = ROOT / "samples" / "cat-clean.png"
NOISY = ROOT / "samples" / "cat-noisy.png"


@pytest.fixture
def hazy(tmp_path: Path) -> Path:
    with Image.open(CLEAN) as file:
        clear = np.asarray(file.convert("RGB"))
    return saved(tmp_path / "hazy picture.png", (clear * 0.4 + 150).astype(np.uint8))


def test_inspect_names_defects_and_a_head(hazy: Path) -> None:
    outcome = restore("inspect", hazy)
    assert (outcome.code, outcome.stderr) == (0, "")
    lines = outcome.stdout.splitlines()
    found = [line.split()[0] for line in lines[:-1]]
    assert found == ["noise", "blur", "rain", "haze", "darkness", "blocks", "quality"]
    assert re.match(r"haze      hazy \(\d+% sure, severity 0\.\d\d\)", lines[3])
    assert lines[-1] == f"suggested: restore dehaze '{hazy}' OUT"
    assert restore("inspect", CLEAN).stdout.splitlines()[-1] == "nothing to restore"


def test_inspect_prints_json() -> None:
    values = json.loads(restore("inspect", NOISY, "--json").stdout)
    assert values["suggestion"] == "denoise"
    assert values["findings"]["sigma"] > 20
    judgement = values["judgement"]
    assert judgement["probabilities"]["noise"] > 0.9
    assert 0.3 < judgement["severities"]["noise"] < 0.7
    assert 0 < judgement["quality"] < 0.9
    assert {place["side"] for place in judgement["places"]} == {128}
    assert (values["width"], values["height"]) == (451, 300)


def test_inspect_of_a_single_pixel_is_no_error(tmp_path: Path) -> None:
    dot = saved(tmp_path / "dot.png", np.full((1, 1), 90, np.uint8))
    assert json.loads(restore("inspect", dot, "--json").stdout)["findings"]["sigma"] is None
    assert restore("inspect", dot).code == 0


def test_inspect_draws_a_map_and_replaces_none_unasked(tmp_path: Path) -> None:
    out = tmp_path / "map.png"
    assert restore("inspect", NOISY, "--map", out).code == 0
    with Image.open(NOISY) as before, Image.open(out) as after:
        assert after.size == before.size
        changed = np.asarray(before.convert("RGB")) != np.asarray(after)
    assert 0.02 < changed.any(axis=2).mean() < 0.3
    assert "exists already" in one_error_line(restore("inspect", NOISY, "--map", out))
    assert restore("inspect", NOISY, "--map", out, "--overwrite").code == 0


def test_inspect_names_unreadable_files(tmp_path: Path) -> None:
    assert "no such file" in one_error_line(restore("inspect", tmp_path / "no.png"))


def standard(head: str) -> str:
    return store.find(head).card.name


@pytest.mark.slow
def test_auto_applies_the_head_and_says_so(tmp_path: Path) -> None:
    by_hand, by_itself = tmp_path / "hand.png", tmp_path / "auto.png"
    options = ("--precision", "float32", "--strength", "0.5")
    assert restore("denoise", NOISY, by_hand, *options).code == 0
    by_itself.write_bytes(b"precious")
    assert "exists already" in one_error_line(restore("auto", NOISY, by_itself))
    outcome = restore("auto", NOISY, by_itself, *options, "--overwrite")
    assert outcome.stdout.startswith(f"denoise: {NOISY} -> {by_itself} ({standard('denoise')}, ")
    assert by_itself.read_bytes() == by_hand.read_bytes()


def test_auto_copies_a_clean_picture_byte_for_byte(tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    outcome = restore("auto", CLEAN, out)
    assert outcome.code == 0
    assert outcome.stdout == f"{CLEAN} -> {out} (nothing to restore; copied as it is)\n"
    assert out.read_bytes() == CLEAN.read_bytes()
    # Also onto itself, which changes nothing.
    assert restore("auto", out, out, "--overwrite", "--quiet").stdout == ""
    assert out.read_bytes() == CLEAN.read_bytes()


def test_auto_converts_a_clean_picture(tmp_path: Path) -> None:
    out = tmp_path / "out.bmp"
    values = json.loads(restore("auto", CLEAN, out, "--json").stdout)
    assert values["task"] is None
    with Image.open(CLEAN) as before, Image.open(out) as after:
        assert after.format == "BMP"
        np.testing.assert_array_equal(np.asarray(before.convert("RGB")), np.asarray(after))


def test_auto_applies_the_head_that_is_suggested(hazy: Path) -> None:
    out = hazy.with_name("out.png")
    outcome = restore("auto", hazy, out)
    assert outcome.stdout.startswith(f"dehaze: {hazy} -> {out} ({standard('dehaze')}, ")
