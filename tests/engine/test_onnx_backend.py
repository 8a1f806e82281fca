"""ONNX Runtime where torch is not installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from exported import Exported, tiny
from pictures import saved, smooth

from restore import Restorer
from restore.checkpoints import store
from restore.engine.onnx_backend import _device
from restore.engine.threads import count_threads
from restore.errors import CheckpointError, RestoreError, UsageError
from restore.export.onnx_files import cached

WITHOUT_TORCH = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "onnx", "onnxscript"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
"""
RESTORE = """
import numpy as np
from restore import Restorer
picture, model, result = sys.argv[1:]
options = {"model": model, "device": "cpu", "backend": "onnxruntime", "tile": 64, "overlap": 16}
restore = Restorer("denoise", **options)
np.save(result, restore(np.load(picture)))
assert str(restore.compute.device) == "cpu"
assert not {"torch", "onnx", "onnxscript"} & set(sys.modules)
"""
COMMAND = """
from restore.cli import main
main()
"""


@pytest.fixture(scope="module")
def exported() -> Exported:
    return tiny()


def run(code: str, *words: object, home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH + code, *map(str, words)],
        capture_output=True,
        text=True,
        env=os.environ | {"RESTORE_HOME": str(home)},
        check=False,
        timeout=240,
    )


def test_restores_as_torch_does_in_the_same_tiles(exported: Exported, tmp_path: Path) -> None:
    image = np.random.default_rng(0).random((100, 150, 3), dtype=np.float32)
    np.save(tmp_path / "in.npy", image)
    words = (tmp_path / "in.npy", exported.model, tmp_path / "out.npy")
    done = run(RESTORE, *words, home=exported.home)
    assert done.returncode == 0, done.stderr
    expected = Restorer("denoise", exported.model, device="cpu", tile=64, overlap=16)(image)
    assert np.abs(expected - image).max() > 0.01
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), expected, rtol=0, atol=1e-4)


def test_the_command_restores_folders(exported: Exported, tmp_path: Path) -> None:
    for name in ("a.png", "sub/b.jpg", "c.gif"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        saved(tmp_path / "in" / name, smooth())
    words = ("denoise", tmp_path / "in", tmp_path / "out", "-r", "--json", "--workers", "2")
    words += ("--backend", "onnxruntime", "--model", exported.model)
    done = run(COMMAND, *words, home=exported.home)
    assert done.returncode == 0, done.stderr
    assert {json.loads(line)["status"] for line in done.stdout.splitlines()} == {"done"}
    again = run(COMMAND, *words, home=exported.home)
    assert {json.loads(line)["status"] for line in again.stdout.splitlines()} == {"skipped"}


def test_a_file_exported_ahead_is_found_by_the_name_of_its_model(
    exported: Exported, tmp_path: Path
) -> None:
    image = tmp_path / "in.png"
    saved(image, smooth())
    words = ("denoise", image, tmp_path / "out.png", "--model", exported.model)
    words += ("--backend", "onnxruntime")
    missing = run(COMMAND, *words, home=tmp_path)
    assert missing.returncode == 1
    (line,) = missing.stderr.strip().splitlines()
    assert "restore export tiny tiny.onnx; then copy the file to" in line
    (tmp_path / "onnx").mkdir()
    (tmp_path / "onnx" / "tiny.onnx").write_bytes(exported.file.read_bytes())
    done = run(COMMAND, *words, home=tmp_path)
    assert done.returncode == 0, done.stderr


def test_a_file_of_other_weights_is_refused(
    exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from models import save_model

    monkeypatch.setenv("RESTORE_HOME", str(tmp_path))
    other = save_model(tmp_path, identity=True)
    other.with_suffix(".onnx").write_bytes(exported.file.read_bytes())
    assert cached(store.locate(other)) == other.with_suffix(".onnx")
    with pytest.raises(CheckpointError, match=r"tiny\.onnx: was not exported from tiny"):
        Restorer("denoise", other, backend="onnxruntime", device="cpu")


def test_devices_are_named_as_torch_names_them() -> None:
    assert str(_device("auto", False)) == str(_device("cpu", True)) == "cpu"
    assert str(_device("cuda:1", True)) == "cuda:1"
    for name in ("cuda", "mps"):
        with pytest.raises(RestoreError, match="cannot use it"):
            _device(name, False)
    for name in ("tpu", "cuda:x"):
        with pytest.raises(UsageError, match="unknown"):
            _device(name, True)


def test_threads_follow_the_environment_without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch")
    monkeypatch.setenv("OMP_NUM_THREADS", "3,2")
    assert count_threads() == 3
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert 1 <= count_threads() <= (os.cpu_count() or 1)
