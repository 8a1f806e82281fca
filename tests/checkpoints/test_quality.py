"""Which model a quality means."""

from __future__ import annotations

from pathlib import Path

import pytest
from models import save_model

from restore import Restorer
from restore.checkpoints import store
from restore.errors import ModelNotFoundError, UsageError


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of downloaded models, where nothing is shipped."""
    monkeypatch.setenv("RESTORE_HOME", str(tmp_path))
    monkeypatch.setattr(store, "shipped_folder", lambda: tmp_path / "shipped")
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


def add(models: Path, *names: str) -> None:
    for name in names:
        save_model(models, name=name, task="derain")


def found(quality: str | None = None) -> str:
    return store.find("derain", quality=quality).path.stem


def test_each_quality_is_a_model_of_its_own(models: Path) -> None:
    add(models, "derain-small", "derain-s1", "derain-rain13k", "mine")
    assert found() == found("standard") == "derain-s1"
    assert found("fast") == "derain-small"
    assert found("best") == "derain-rain13k"


def test_standard_falls_back_to_the_small_one_and_then_to_any(models: Path) -> None:
    add(models, "mine")
    assert found() == found("standard") == "mine"
    add(models, "derain-raindrop")
    assert found() == "derain-raindrop"
    add(models, "derain-small", "derain-rain13k")
    assert found() == found("standard") == "derain-small"


def test_best_and_fast_do_not_fall_back(models: Path) -> None:
    add(models, "derain-s1", "derain-raindrop")
    with pytest.raises(ModelNotFoundError, match=r"derain-rain13k.*restore weights pull derain$"):
        found("best")
    with pytest.raises(ModelNotFoundError, match=r"derain-small, .* fast.*restore models$"):
        found("fast")


def test_a_model_of_another_head_is_none_of_this(models: Path) -> None:
    save_model(models, name="derain-rain13k", task="deblur")
    with pytest.raises(ModelNotFoundError, match="is not installed"):
        found("best")


def test_an_unknown_quality_and_one_beside_a_model_are_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="quality is 'good'; use one of fast, standard, best"):
        Restorer("derain", quality="good")
    with pytest.raises(UsageError, match="give one of the two"):
        Restorer("denoise", save_model(tmp_path), quality="fast")


def test_the_restorer_takes_a_quality(models: Path) -> None:
    add(models, "derain-s1", "derain-small")
    assert Restorer("derain", quality="fast", device="cpu").card.name == "derain-small"
    assert Restorer("derain", device="cpu").card.name == "derain-s1"
