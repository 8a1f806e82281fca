"""The Dockerfile and the unit for systemd."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd")
def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "deploy.md").read_text()
    (unit,) = re.findall(r"```ini\n(.*?)```", page, re.DOTALL)
    assert "ExecStart=/opt/restore/bin/restore serve\n" in unit
    path = tmp_path / "restore.service"
    path.write_text(unit.replace("/opt/restore/bin/restore", sys.executable))
    done = subprocess.run(["systemd-analyze", "verify", path], capture_output=True, text=True)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_image_installs_extras_that_exist() -> None:
    (extras,) = re.findall(r"/source\[(.*?)\]", DOCKERFILE)
    known = re.findall(r"^(\w+) = \[", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert set(extras.split(",")) <= set(known)


def test_the_build_sees_all_that_an_installation_needs() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    seen = {line[1:] for line in lines if line.startswith("!")}
    assert lines[0] == "*"
    assert all((ROOT / name).exists() for name in seen)
    assert seen == {
        "LICENSE",
        "README.md",
        "cli",
        "docs/requirements-onnx.txt",
        "pyproject.toml",
        "restore",
        "setup.py",
        "weights",
    }


def test_the_build_sees_what_the_image_without_torch_installs() -> None:
    page = (ROOT / "docs" / "scale.md").read_text()
    (text,) = re.findall(r"```dockerfile\n(.*?)```", page, re.DOTALL)
    (requirements,) = re.findall(r"-r /source/(\S+)", text)
    assert (ROOT / requirements).is_file()
    assert f"!{requirements}" in (ROOT / ".dockerignore").read_text().splitlines()


def test_modules_compiled_for_the_image_exist() -> None:
    (names,) = re.findall(r'python -c "import (restore.*?)"', DOCKERFILE)
    subprocess.run([sys.executable, "-c", f"import {names}"], check=True)


def test_the_image_runs_the_program_as_another_user() -> None:
    last = DOCKERFILE.rpartition("FROM ")[2]
    assert "\nUSER restore\n" in last
    start = [
        part
        for word in ("ENTRYPOINT", "CMD")
        for part in json.loads(re.findall(rf"\n{word} (\[.*?\])", last)[0])
    ]
    assert start == ["restore", "serve", "--host", "0.0.0.0"]
