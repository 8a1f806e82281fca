"""``weights/recipes/measure.py`` on a model and sets that are small enough for a test."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from models import save_model

from restore.checkpoints import official_figures, store
from restore.checkpoints.card import TilePolicy, TrainingSet, read_card
from restore.evaluate.report import Case

RECIPE = Path(__file__).resolve().parents[2] / "weights" / "recipes" / "measure.py"


def cases(data: Path, side: int) -> Iterator[Case]:
    random = np.random.default_rng(side)
    for name in "ab":
        target = random.integers(60, 180, (side, side, 3), np.uint8)
        yield Case(name, target + np.uint8(20), target)


@pytest.fixture
def measure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The recipe, for one model in a folder of its own; tiles cut what is larger than 64 x 64."""
    spec = importlib.util.spec_from_file_location("measure", RECIPE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "measure", module)
    spec.loader.exec_module(module)
    sets = {f"squares of {side}": partial(cases, side=side) for side in (40, 80)}
    described = sys.modules["evaluation"].Described
    rainy = described((TrainingSet("squares", "CC0"),), "drops", TilePolicy(64, 16, 64 * 64))
    monkeypatch.setattr(module, "MODELS", {"absent": rainy, "rainy": rainy})
    monkeypatch.setattr(module, "SETS", {"derain": sets})
    monkeypatch.setattr(module, "MANY", 2)
    monkeypatch.setattr(module, "WEIGHTS", tmp_path)
    monkeypatch.setattr(module, "healthy", lambda data, every: cases(data, side=64))
    save_model(tmp_path, name="rainy", task="derain")
    return module


def test_figures_go_into_the_card_with_their_protocol(
    measure: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    measure.main(tmp_path, [])
    out, err = capsys.readouterr()
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in out.splitlines()]
    names = ["squares of 40", "squares of 80", measure.HEALTHY]
    expected = [f"{name}{on}" for name in names for on in ("", ", on Y")]
    assert [line[1] for line in lines[2:]] == expected
    # An error of 20 everywhere; 20 x 219 / 255 on Y, which rounding changes a little.
    before = [float(line[2]) for line in lines[2:]]
    assert before == pytest.approx([22.11, 23.43] * 3, abs=0.02)
    assert "bfloat16 loses at most" in err
    card = read_card(tmp_path / "rainy.safetensors")
    figures = {(figure.data, figure.metric): figure for figure in card.figures}
    assert len(figures) == 12
    y = figures["squares of 40", "PSNR-Y"]
    assert f"{y.value:.2f}" == lines[3][3].split(" / ")[0]
    assert "BT.601 Y" in y.protocol
    assert "default options, " in y.protocol
    healthy = figures[measure.HEALTHY, "PSNR"]
    assert "default options, " in healthy.protocol
    assert card.training_data == (TrainingSet("squares", "CC0"),)
    assert card.tile == measure.MODELS["rainy"].tiles
    assert card.limits == "drops"
    assert not (tmp_path / "absent.json").exists()


def test_official_models_get_a_file_of_their_own(
    measure: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under the name of an official model, by weights that are not: only where they go counts."""
    model = store.locate(tmp_path / "rainy.safetensors")
    monkeypatch.setattr(measure.store, "locate", lambda name, with_exported=False: model)
    (tmp_path / "official").mkdir()
    measure.main(tmp_path, ["derain-rain13k"])
    values = json.loads((tmp_path / "official" / "derain-rain13k.json").read_text())
    assert set(values) == set(official_figures.FIELDS)
    assert {figure["data"] for figure in values["figures"]} == {
        "squares of 40",
        "squares of 80",
        measure.FEW_HEALTHY,
    }


def test_refuses_names_without_sets(measure: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no sets are known for nothing"):
        measure.main(tmp_path, ["nothing"])
