"""A head is one declaration: all that depends on it follows, for a new one too."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from models import save_model
from pictures import saved, smooth

from restore import TASKS, Restorer
from restore import heads as package
from restore.checkpoints import store
from restore.checkpoints.card import read_card
from restore.checkpoints.zoo import OFFICIAL
from restore.degrade.recipes import RECIPES
from restore.errors import ConfigError, ModelNotFoundError, UsageError
from restore.evaluate.classical import METHODS, methods_of
from restore.evaluate.protocol import BASIC, FURTHER, metrics_of
from restore.heads import HEADS, Head
from restore.inspect import FAULTS
from restore.inspect.suggestion import head_for
from restore.train import planning

FOLDER = Path(package.__file__).parent
FIVE = ("denoise", "deblur", "derain", "dehaze", "enhance")
NEW = Head("sharpen", "Sharpen a scan.")


@pytest.fixture
def sharpen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Head:
    """A head of a name and a summary, in a cache folder without models."""
    monkeypatch.setitem(HEADS, NEW.name, NEW)  # type: ignore[arg-type]
    monkeypatch.setenv("RESTORE_HOME", str(tmp_path / "home"))
    return NEW


def test_the_public_name_is_the_table() -> None:
    assert TASKS is HEADS
    assert tuple(HEADS)[: len(FIVE)] == FIVE
    assert [head.name for head in HEADS.values()] == list(HEADS)


@pytest.mark.parametrize("head", HEADS.values(), ids=list(HEADS))
def test_declared_names_exist(head: Head) -> None:
    if head.degradation:
        assert head.degradation in RECIPES
    if head.finding:
        assert head.finding in FAULTS
        assert head_for(head.finding) == head.name
    assert set(head.rivals) <= set(METHODS)
    assert set(head.metrics) <= set(FURTHER)
    assert {head.fast, head.standard} <= {"", f"{head.name}-small", f"{head.name}-s1"}
    assert not head.best or OFFICIAL[head.best].task == head.name
    assert head.summary.endswith(".")


@pytest.mark.parametrize("name", FIVE)
def test_the_five_heads_declare_everything(name: str) -> None:
    head = HEADS[name]
    assert head.fast == f"{name}-small"
    assert head.standard in (f"{name}-s1", f"{name}-small")  # an S-1 must be better to take over
    assert head.best
    assert head.degradation
    assert head.finding


def test_every_declared_head_is_in_the_table() -> None:
    found = []
    for module in pkgutil.iter_modules(package.__path__):
        named = vars(importlib.import_module(f"{package.__name__}.{module.name}")).values()
        found += [value for value in named if isinstance(value, Head)]
    assert {id(head) for head in found} == {id(head) for head in HEADS.values()}


def test_all_official_models_metrics_and_recipes_belong_to_a_head() -> None:
    for name, entry in OFFICIAL.items():
        assert name in HEADS[entry.task].models
    assert {name for head in HEADS.values() for name in head.metrics} == set(FURTHER)
    assert {head.degradation for head in HEADS.values()} == set(RECIPES)


def test_models_are_tried_in_the_order_of_quality() -> None:
    models = HEADS["derain"].models
    assert models[:3] == ("derain-s1", "derain-small", "derain-rain13k")
    assert Head("a", "A.", fast="x", standard="x", others=("y",)).models == ("x", "y")
    assert NEW.models == ()


def test_heads_import_only_heads() -> None:
    for path in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                module = node.module or ""
                assert module.startswith("restore.heads") or module in sys.stdlib_module_names | {
                    "collections.abc"
                }, f"{path.name} imports {module}"
    code = (
        "import sys, restore.heads\n"
        "assert not {'torch', 'cv2', 'numpy'} & set(sys.modules), 'heavy imports'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_new_head_without_models_says_so_in_one_line(sharpen: Head) -> None:
    with pytest.raises(ModelNotFoundError, match=r"sharpen are installed; name a model file$"):
        store.find("sharpen")
    for quality in ("fast", "best"):
        with pytest.raises(UsageError, match=f"sharpen has no model of quality {quality}"):
            store.find("sharpen", quality=quality)


def test_a_new_head_restores_with_any_model_of_its_name(sharpen: Head, tmp_path: Path) -> None:
    path = save_model(tmp_path, task="sharpen", identity=True)
    assert read_card(path).task == "sharpen"
    image = np.random.default_rng(0).integers(0, 255, (40, 50, 3), np.uint8)
    np.testing.assert_array_equal(Restorer("sharpen", path, device="cpu")(image), image)
    models = tmp_path / "home" / "models"
    models.mkdir(parents=True)
    save_model(models, task="sharpen", name="mine")
    assert store.find("sharpen").card.name == "mine"


def test_a_new_head_is_measured_and_not_trained(sharpen: Head) -> None:
    assert metrics_of("sharpen") == BASIC
    assert methods_of("sharpen") == []
    with pytest.raises(ConfigError, match="no training recipe for 'sharpen'"):
        planning.plan("sharpen", ())


def test_a_new_head_is_a_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(HEADS, NEW.name, NEW)  # type: ignore[arg-type]
    model = save_model(tmp_path, task="sharpen", identity=True)
    source, target = saved(tmp_path / "in.png", smooth()), tmp_path / "out.png"
    code = (
        "import sys\n"
        "from restore.heads import HEADS, Head\n"
        f"HEADS['sharpen'] = Head('sharpen', {NEW.summary!r})\n"
        "from restore.cli.app import main\n"
        "main()\n"
    )

    def run(*words: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", code, *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True)

    listed = [line.split(maxsplit=1) for line in run("--help").stdout.splitlines()]
    assert ["sharpen", NEW.summary] in listed
    done = run("sharpen", source, target, "--model", model, "--device", "cpu")
    assert done.returncode == 0, done.stderr
    assert target.exists()
