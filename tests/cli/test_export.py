from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from command import one_error_line, restore
from exported import Exported, tiny
from pictures import saved, smooth

from restore.media.image import read


@pytest.fixture(scope="module")
def exported() -> Exported:
    return tiny()


def test_export_failures_print_one_line(exported: Exported, tmp_path: Path) -> None:
    target = tmp_path / "out.onnx"
    assert "no model is called 'none'" in one_error_line(restore("export", "none", target))
    line = one_error_line(restore("export", exported.model, tmp_path / "out.pt"))
    assert "must end in .onnx" in line
    target.write_bytes(b"before")
    assert "exists already" in one_error_line(restore("export", exported.model, target))
    assert target.read_bytes() == b"before"


def test_a_picture_is_restored_by_onnxruntime(exported: Exported, tmp_path: Path) -> None:
    source = saved(tmp_path / "in.png", smooth())
    results = {}
    for name in ("torch", "onnxruntime"):
        target = tmp_path / f"{name}.png"
        outcome = restore(
            *("denoise", source, target, "--model", exported.model, "--backend", name),
            *("--device", "cpu", "--precision", "float32", "--json"),
            home=exported.home,
        )
        assert (outcome.code, outcome.stderr) == (0, "")
        assert json.loads(outcome.stdout)["precision"] == "float32"
        results[name] = read(target).pixels.astype(int)
    difference = np.abs(results["torch"] - results["onnxruntime"])
    assert difference.max() <= 1


def test_onnxruntime_has_no_bfloat16(exported: Exported, tmp_path: Path) -> None:
    source = saved(tmp_path / "in.png", smooth())
    outcome = restore(
        *("denoise", source, tmp_path / "out.png", "--model", exported.model),
        *("--backend", "onnxruntime", "--precision", "bfloat16"),
        home=exported.home,
    )
    line = one_error_line(outcome, code=2)
    assert "precision 'bfloat16': onnxruntime computes in float32 alone" in line
