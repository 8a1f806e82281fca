"""Imports run downward, and sizes and names follow the house rules."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = {"weights"}
"""Modules of the command line that have the name of their command and of a module of `restore`."""
MAY_IMPORT = {
    "networks": {"errors", "networks"},
    "media": {"errors", "files", "media"},
    "checkpoints": {"errors", "files", "networks", "heads", "checkpoints"},
    "export": {"errors", "files", "networks", "heads", "checkpoints", "export"},
    "engine": {"errors", "networks", "heads", "checkpoints", "export", "media", "engine"},
    "automatic": {
        *("errors", "heads", "media", "checkpoints", "engine", "inspect"),
        "automatic",
    },
    "jobs": {"errors", "files", "media", "engine", "inspect", "automatic", "jobs"},
    "compare": {"errors", "files", "media", "engine", "jobs", "evaluate", "compare"},
    "degrade": {"errors", "media", "degrade"},
    "inspect": {
        *("errors", "files", "heads", "media", "networks", "checkpoints", "engine"),
        "inspect",
    },
    "evaluate": {
        *("errors", "media", "heads", "checkpoints", "engine", "inspect"),
        "evaluate",
    },
    "serve": {
        *("errors", "files", "heads", "media", "checkpoints", "engine", "inspect", "jobs"),
        "serve",
    },
    "train": {
        *("errors", "files", "networks", "heads", "checkpoints", "media", "engine", "degrade"),
        "train",
    },
    "benchmark": {
        *("networks", "heads", "checkpoints", "media", "engine", "degrade", "jobs", "evaluate"),
        *("inspect", "train", "benchmark"),
    },
    "heads": {"heads"},
}


def imports(path: Path) -> set[str]:
    """Full names of the modules that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_every_package_has_its_place() -> None:
    packages = {path.parent.name for path in (ROOT / "restore").glob("*/__init__.py")}
    assert packages == set(MAY_IMPORT)


@pytest.mark.parametrize("package", sorted(MAY_IMPORT))
def test_imports_run_downward_only(package: str) -> None:
    packages = {path.name for path in (ROOT / "restore").iterdir() if path.is_dir()} | {"cli"}
    for path in (ROOT / "restore" / package).rglob("*.py"):
        for name in imports(path):
            parts = name.split(".")
            if parts[0] == "restore" and len(parts) > 1 and parts[1] in packages:
                assert parts[1] in MAY_IMPORT[package], f"{path.name} imports {name}"


def test_media_and_the_public_names_need_no_torch() -> None:
    code = (
        "import sys, restore, restore.media.image, restore.checkpoints.store\n"
        "restore.TASKS, restore.__version__\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


BARE = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in %r:
            raise ImportError(f"{name} is not here")

sys.meta_path.insert(0, Missing())
import restore.train.job, restore.benchmark.training_speed, restore.train.state
"""


def test_training_needs_little() -> None:
    """A lent machine with an accelerator has torch, numpy, Pillow and safetensors, not the rest."""
    rest = {"cv2", "httpx", "kornia", "lightning_fabric", "lpips", "platformdirs", "rich", "typer"}
    subprocess.run([sys.executable, "-c", BARE % rest], check=True)


def test_no_file_is_longer_than_a_house_allows() -> None:
    most = {"restore": 350, "cli": 149, "tests": 420}
    for folder, lines in most.items():
        for path in (ROOT / folder).rglob("*.py"):
            assert len(path.read_text().splitlines()) <= lines, path


def test_a_function_fits_a_screen() -> None:
    for folder in ("restore", "cli"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    assert node.end_lineno is not None
                    assert node.end_lineno - node.lineno < 60, f"{path}: {node.name}"


def test_no_two_modules_and_no_two_classes_share_a_name() -> None:
    """Networks, formats and executors are folders of one shape, whose files have the same names."""
    alike = [ROOT / "restore" / name for name in ("networks", "media/formats", "jobs/executors")]
    modules, classes = Counter[str](), Counter[str]()
    for path in (*(ROOT / "restore").rglob("*.py"), *(ROOT / "cli").rglob("*.py")):
        if not path.stem.startswith("__") and not any(map(path.is_relative_to, alike)):
            modules[path.stem] += path.parent.name != "cli" or path.stem not in COMMANDS
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                classes[node.name] += 1
    for names in (modules, classes):
        assert not [name for name, count in names.items() if count > 1]


def test_weights_never_go_through_pickle() -> None:
    for folder in ("restore", "cli"):
        for path in (ROOT / folder).rglob("*.py"):
            assert not imports(path) & {"pickle", "dill", "joblib"}, path
            assert "torch.load(" not in path.read_text(), path


def test_the_program_runs_from_a_checkout_as_it_is() -> None:
    """Where the current folder's ``restore`` hides an installed one, and where there is none."""
    command = [sys.executable, "-S", "-c", "import restore, sys; print(restore.__path__)"]
    assert (
        str(ROOT)
        in subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    )
    version = [sys.executable, "-m", "restore.cli", "--version"]
    done = subprocess.run(version, cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout.startswith("restore ")
