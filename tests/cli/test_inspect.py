"""`restore inspect` as a person meets it: real processes, real files."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from command import one_error_line, restore
from pictures import saved
from PIL import Image

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
    assert re.match(r"haze      hazy \(probability \d+%, severity 0\.\d\d\)", lines[3])
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
