"""The bench times real processes of this version and of others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command import one_error_line, restore
from models import save_model

from restore import Restorer
from restore.checkpoints.store import locate
from restore.errors import RestoreError
from restore.evaluate import speed
from restore.network import VARIANTS

ROOT = Path(__file__).resolve().parents[2]


def test_settings_are_timed_in_turns_and_stated_as_fractions(tmp_path: Path) -> None:
    model = str(save_model(tmp_path))
    settings = speed.settings_for(
        [("denoise", model)], (64, 96), "cpu", ["float32", "bfloat16"], ["torch"], against=ROOT
    )
    assert [(s.options["precision"], s.version) for s in settings] == [
        (precision, version)
        for precision in ("float32", "bfloat16")
        for version in (speed.HERE, str(ROOT))
    ]
    counts: list[tuple[int, int]] = []
    rows = speed.measure(settings[:2], 2, lambda *count: counts.append(count))
    assert counts == [(1, 3), (2, 3), (3, 3)]
    for row in rows:
        assert (row.device, row.precision) == ("cpu", "float32")
        assert row.seconds_a_megapixel == pytest.approx(row.seconds / (64 * 96) * 1e6)
        assert 0 < (row.of_peak or 0) < 1
        assert 0 < (row.of_bandwidth or 0) < 1
        assert 2**26 < row.memory < 2**34
        assert row.start_up > row.seconds
    lines = speed.table(rows).splitlines()
    assert len(lines) == 4
    assert lines[2].startswith(f"tiny ({ROOT})")


def test_operations_and_bytes_do_not_depend_on_the_machine(tmp_path: Path) -> None:
    import torch

    card = locate(save_model(tmp_path)).card
    operations, moved = speed._demand(card, torch.float32)
    assert speed._demand(card, torch.bfloat16)[0] == operations
    assert operations > 100
    assert 1.5 < moved / speed._demand(card, torch.bfloat16)[1] <= 2


def test_who_cannot_run_is_named(tmp_path: Path) -> None:
    settings = [speed.Setting("denoise", "none", 32, 32, {"device": "cpu"})]
    with pytest.raises(RestoreError, match=r"none: .*none"):
        speed.measure(settings, 1, lambda done, total: None)


def test_the_command(tmp_path: Path) -> None:
    model = save_model(tmp_path)
    words = ("bench", "speed", model, "--device", "cpu", "--size", "64x32", "--rounds", "1")
    outcome = restore(*words, "--json")
    assert outcome.code == 0, outcome.stderr
    (row,) = json.loads(outcome.stdout)["rows"]
    assert (row["width"], row["height"], row["model"]) == (64, 32, "tiny")
    assert "say for instance" in restore("bench", "speed", "--size", "big").stderr
    assert "nope" in one_error_line(restore("bench", "speed", "nope"))


def test_official_shapes_are_timed_without_their_weights() -> None:
    with speed.located(["S-1"]) as ((task, path),):
        assert Restorer(task, path, device="cpu").card.network == VARIANTS["S-1"]
    assert not Path(path).exists()
