"""docs/requirements-onnx.txt is the package's own list without what requires torch."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from restore.cli.missing import LEFT_OUT

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="tomllib")
def test_requirements_without_torch_are_those_of_the_package() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    own = [one for one in project["dependencies"] if one.split(">")[0] not in LEFT_OUT]
    extra = project["optional-dependencies"]["onnx"]
    lines = (ROOT / "docs" / "requirements-onnx.txt").read_text().splitlines()
    assert [line for line in lines if not line.startswith("#")] == own + extra
