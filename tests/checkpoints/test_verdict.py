"""`restore weights verify`: the word for each kind of model file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from models import save_model
from release import PINNED, Release

from restore.checkpoints import acquire, verdict
from restore.checkpoints.card import card_path
from restore.files import sha256_of


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return save_model(tmp_path)


def test_a_file_that_is_the_one_on_its_card_is_ok(model: Path) -> None:
    assert verdict.examine(model) == verdict.Verdict(model, "ok")


@pytest.mark.parametrize(
    "change", [lambda b: b[:-1], lambda b: b + b"x", lambda b: b"", bytes.upper]
)
def test_a_changed_file_is_damaged(model: Path, change: object) -> None:
    model.write_bytes(change(model.read_bytes()))  # type: ignore[operator]
    found = verdict.examine(model)
    assert found.word == "DAMAGED"
    assert str(model) in (found.problem or "")


def test_a_missing_card_is_named_as_such(model: Path) -> None:
    card_path(model).unlink()
    found = verdict.examine(model)
    assert found.word == "NO CARD"
    assert found.problem == f"{model}: has no card; expected tiny.json next to it"


def test_a_card_that_cannot_be_read_is_named_as_such(model: Path) -> None:
    card_path(model).write_text("{")
    assert verdict.examine(model).word == "BAD CARD"


def test_a_missing_file_is_named_as_such(tmp_path: Path) -> None:
    assert verdict.examine(tmp_path / "absent.safetensors").word == "MISSING"


def test_a_model_under_an_official_name_must_be_it(tmp_path: Path) -> None:
    found = verdict.examine(save_model(tmp_path, name=PINNED, task="derain"))
    assert found.word == "NOT OFFICIAL"
    assert f"restore weights pull {PINNED}" in (found.problem or "")


def test_a_name_without_pins_proves_nothing(tmp_path: Path) -> None:
    assert verdict.examine(save_model(tmp_path, name="derain-raindrop", task="derain")).word == "ok"


def test_an_official_file_is_proven_and_named_without_its_card(
    release: Release, tmp_path: Path
) -> None:
    path = tmp_path / "any-name.safetensors"
    acquire.convert(release.tgz, path)
    assert verdict.examine(path).word == "official"
    card_path(path).unlink()
    found = verdict.examine(path)
    assert found.word == "NO CARD"
    assert f"restore weights pull {PINNED}" in (found.problem or "")


def test_the_judge_of_pictures_is_examined_by_its_own_card(tmp_path: Path) -> None:
    path = tmp_path / "judge.safetensors"
    assert verdict.examine_judge(path).word == "MISSING"
    path.write_bytes(b"weights")
    assert verdict.examine_judge(path).word == "NO CARD"
    card_path(path).write_text("[]")
    assert verdict.examine_judge(path).word == "BAD CARD"
    card_path(path).write_text(json.dumps({"sha256": sha256_of(path)}))
    assert verdict.examine_judge(path) == verdict.Verdict(path, "ok")
    path.write_bytes(b"weight")
    assert verdict.examine_judge(path).word == "DAMAGED"
