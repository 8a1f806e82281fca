"""The walk-throughs of CONTRIBUTING.md: files and tests that it names exist, and a network or a
backend that is declared without being in its table is found. Heads and formats have such tests of
their own."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
from pathlib import Path
from types import ModuleType

from restore import networks
from restore.engine import backend, onnx_backend, torch_backends
from restore.networks import ARCHITECTURES, Architecture

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def declared_architectures() -> list[type[Architecture]]:
    """Architectures of all packages within `restore.networks`."""
    found: list[type[Architecture]] = []
    for module in pkgutil.iter_modules(networks.__path__):
        if module.ispkg:
            package = importlib.import_module(f"{networks.__name__}.{module.name}")
            found += [value for value in vars(package).values() if _is_architecture(value)]
    return found


def _is_architecture(value: object) -> bool:
    return inspect.isclass(value) and issubclass(value, Architecture) and value is not Architecture


def declared_backends(module: ModuleType) -> dict[str, type]:
    """Classes of a module that have the name and the constructor of a backend."""
    return {
        value.name: value
        for value in vars(module).values()
        if inspect.isclass(value) and isinstance(getattr(value, "name", None), str)
    }


def test_every_declared_architecture_is_in_the_table() -> None:
    assert {type(one) for one in ARCHITECTURES.values()} == set(declared_architectures())
    for name in ARCHITECTURES:
        assert (ROOT / "restore" / "networks" / name).is_dir()


def test_every_declared_backend_is_in_the_table_and_documented() -> None:
    declared = declared_backends(torch_backends) | declared_backends(onnx_backend)
    assert {
        name: f"{kind.__module__}.{kind.__name__}" for name, kind in declared.items()
    } == backend.BACKENDS
    page = (ROOT / "docs" / "speed.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)
    assert rows == list(backend.BACKENDS)


def test_the_guide_names_tests_that_exist() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", GUIDE)
    assert len(named) >= 4
    for path, test in named:
        functions = {
            node.name
            for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8")))
            if isinstance(node, ast.FunctionDef)
        }
        assert test in functions, f"{path} has no {test}"


def test_the_guide_names_files_that_exist() -> None:
    named = re.findall(r"`((?:restore|tests|docs|cli|weights)/[\w./]+)`", GUIDE)
    assert named
    for path in named:
        assert "NAME" in path or (ROOT / path).exists(), f"CONTRIBUTING.md: no {path}"


def test_each_walkthrough_names_a_failing_test() -> None:
    sections = re.split(r"^### ", GUIDE, flags=re.MULTILINE)[1:]
    titles = ["Add a head", "Add a format", "Add a network", "Add a backend"]
    assert [section.splitlines()[0] for section in sections] == titles
    for section in sections:
        assert "fails until" in section
        assert "::test_" in section
