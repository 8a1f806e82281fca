"""The contents of the wheel; an installation of it works by itself."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the tracked files alone, as a release would be."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    files = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True
    ).stdout
    for name in files.decode().split("\0"):
        path = ROOT / name
        if name and path.is_file():
            copy = source / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, source],
        check=True,
        capture_output=True,
    )
    return next(folder.glob("*.whl"))


@pytest.mark.slow
def test_the_wheel_holds_restore_and_nothing_else_at_top_level(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    top = {name.partition("/")[0] for name in names}
    assert {name for name in top if not name.endswith(".dist-info")} == {"restore"}
    assert not [name for name in names if "test" in name or "__pycache__" in name]
    assert not [n for n in names if n.startswith("restore/weights/") and n.endswith(".py")]
    wanted = {"restore/cli/__main__.py", "restore/py.typed", "restore/cli/app.py"}
    for path in (ROOT / "weights").glob("*.safetensors"):
        wanted |= {f"restore/weights/{path.name}", f"restore/weights/{path.stem}.json"}
    for path in (*(ROOT / "restore").rglob("*.py"), *(ROOT / "restore/serve/page").iterdir()):
        wanted.add(path.relative_to(ROOT).as_posix())
    assert wanted <= set(names)


@pytest.mark.slow
def test_the_wheel_restores_a_picture_from_another_folder(wheel: Path, tmp_path: Path) -> None:
    """Unpacked somewhere, imported from there alone, run somewhere else, without a network."""
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    work = tmp_path / "work"
    work.mkdir()
    noisy = ROOT / "samples" / "cat-noisy.png"
    code = (
        f"import sys; sys.path[:0] = [{str(site)!r}]\n"
        "import restore; assert restore.__file__.startswith(sys.path[0]), restore.__file__\n"
        "from restore.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "denoise", noisy, "out.png"],
        cwd=work,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (work / "out.png").stat().st_size > 10_000
