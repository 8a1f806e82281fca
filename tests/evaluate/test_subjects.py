from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from models import save_model

from restore.checkpoints.card import TilePolicy
from restore.errors import ModelNotFoundError, UsageError
from restore.evaluate import subjects
from restore.heads import HEADS


@pytest.fixture
def nothing_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache folder; the shipped models are not there either."""
    monkeypatch.setenv("RESTORE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("restore.checkpoints.store.shipped_folder", lambda: tmp_path / "shipped")
    return tmp_path / "home"


def test_the_model_comes_first_and_says_how_it_ran(tmp_path: Path) -> None:
    model = save_model(tmp_path, identity=True)
    (alone,) = subjects.choose("denoise", model, device="cpu", precision="float32", tile="64")
    cut = "tiles of 64 with 64 shared"
    assert (alone.name, alone.how) == ("tiny", f"MAXIM custom, cpu float32, {cut}")
    everyone = subjects.choose("denoise", model, methods=True, input_itself=True, device="cpu")
    assert [s.name for s in everyone] == ["tiny", *HEADS["denoise"].rivals, "input"]
    image = np.random.default_rng(0).uniform(-0.1, 1.1, (20, 30, 3)).astype(np.float32)
    rounded = np.rint(np.clip(image, 0, 1) * 255)
    np.testing.assert_array_equal(everyone[-1].restore(image), rounded)
    assert all(s.restore(image).shape == image.shape for s in everyone)


def test_options_that_change_results_are_stated(tmp_path: Path) -> None:
    model = save_model(tmp_path, tile=TilePolicy(96, 16, 96 * 96, reduce_to=64))

    def how(**options: object) -> str:
        given = {"device": "cpu", "precision": "float32", "strength": 1.0} | options
        return subjects.model_subject("denoise", model, **given).how

    cut = "tiles of 96 with 16 shared, whole up to 0.00922 megapixels"
    assert how().endswith(f"float32, reduced to 64 pixels, {cut}")
    assert how(reduce="off", strength=0.5).endswith("float32, whole, strength 0.5")
    assert how(tile="off", ensemble=True).endswith("float32, whole, ensemble")


@pytest.mark.parametrize("task", HEADS)
def test_without_a_model_the_others_go_alone(task: str, nothing_installed: Path) -> None:
    notes: list[str] = []
    others = subjects.choose(task, methods=True, say=notes.append)
    assert [s.name for s in others] == list(HEADS[task].rivals)
    assert [s.name for s in subjects.choose(task, input_itself=True)] == ["input"]
    (note,) = notes
    assert note.startswith(f"without a model: no weights for {task} are installed")


def test_a_model_is_missed_where_it_was_named_or_is_all_there_is(nothing_installed: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="no weights for dehaze are installed"):
        subjects.choose("dehaze")
    with pytest.raises(ModelNotFoundError, match="no model is called 'mine'"):
        subjects.choose("dehaze", "mine", methods=True)
    (nothing_installed / "models").mkdir(parents=True)
    save_model(nothing_installed / "models", task="dehaze", name="found")
    names = [s.name for s in subjects.choose("dehaze", input_itself=True)]
    assert names == ["found", "input"]


def test_a_model_of_a_methods_name_is_refused(tmp_path: Path) -> None:
    model = save_model(tmp_path, name="median")
    assert len(subjects.choose("denoise", model)) == 1
    with pytest.raises(UsageError, match="the model and a method are both called median"):
        subjects.choose("denoise", model, methods=True)
