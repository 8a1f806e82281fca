"""ONNX Runtime where torch is not installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from exported import Exported, tiny
from models import save_model
from pictures import saved, smooth

from restore import Restorer
from restore.benchmark.footprint import PEAK
from restore.checkpoints import store
from restore.checkpoints.card import TilePolicy
from restore.engine.onnx_backend import _device
from restore.engine.threads import count_threads
from restore.errors import CheckpointError, RestoreError, UsageError
from restore.export.onnx_files import cached
from restore.media.image import read

ROOT = Path(__file__).resolve().parents[2]
WITHOUT = """
import sys

MISSING = %r

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in MISSING:
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
assert not {"torch", "onnx"} & set(sys.modules)
"""
TWICE = f"""{PEAK}
import numpy as np
from restore import Restorer
restore = Restorer("denoise", "denoise-small", device="cpu", backend="onnxruntime")
image, before, peaks = np.zeros((512, 512, 3), np.uint8), peak(), []
for _ in range(3):
    restore(image)
    peaks.append(peak() - before)
print(*peaks)
"""
COMMAND = """
from restore.cli import main
main()
"""


@pytest.fixture(scope="module")
def exported() -> Exported:
    return tiny()


def run(
    code: str, *words: object, home: Path, without: tuple[str, ...] = ("torch", "onnx")
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WITHOUT % (without,) + code, *map(str, words)],
        capture_output=True,
        text=True,
        env=os.environ | {"RESTORE_HOME": str(home)},
        check=False,
        timeout=240,
    )


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (("denoise", "IN", "OUT"), "backend 'torch' requires torch: pip install torch; or use "),
        (("degrade", "noise", "IN", "OUT"), "this requires torch: pip install torch"),
        (("bench", "speed"), "this requires torch: pip install torch"),
    ],
)
def test_commands_that_require_torch_say_so_in_one_line(
    tmp_path: Path, words: tuple[str, ...], remedy: str
) -> None:
    paths = {"IN": saved(tmp_path / "in.png", smooth()), "OUT": tmp_path / "out.png"}
    done = run(COMMAND, *(paths.get(word, word) for word in words), home=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {remedy}")
    assert len(done.stderr.splitlines()) == 1


def test_models_are_listed_by_what_can_run_without_torch(tmp_path: Path) -> None:
    (tmp_path / "onnx").mkdir()
    for name in ("derain-rain13k", "enhance-small"):
        (tmp_path / "onnx" / f"{name}.onnx").write_bytes(b"graph")

    def states(*without: str) -> dict[str, str]:
        done = run(COMMAND, "models", home=tmp_path, without=without)
        assert done.returncode == 0, done.stderr
        assert ("--backend onnxruntime" in done.stdout) == ("torch" in without)
        rows = [line.split("  ") for line in done.stdout.splitlines()[1:22]]
        cells = [[cell.strip() for cell in row if cell.strip()] for row in rows]
        return {row[0]: row[next(i for i, c in enumerate(row) if "MB" in c) + 1] for row in cells}

    bare = states("torch", "onnx")
    assert (bare["derain-rain13k"], bare["derain-raindrop"]) == ("exported", "no")
    assert (bare["enhance-small"], bare["denoise-small"]) == ("shipped", "not exported")
    assert states("torch")["denoise-small"] == states()["denoise-small"] == "shipped"


def test_restores_as_torch_does_in_the_same_tiles(exported: Exported, tmp_path: Path) -> None:
    image = np.random.default_rng(0).random((100, 150, 3), dtype=np.float32)
    np.save(tmp_path / "in.npy", image)
    words = (tmp_path / "in.npy", exported.model, tmp_path / "out.npy")
    done = run(RESTORE, *words, home=exported.home)
    assert done.returncode == 0, done.stderr
    expected = Restorer("denoise", exported.model, device="cpu", tile=64, overlap=16)(image)
    assert np.abs(expected - image).max() > 0.01
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), expected, rtol=0, atol=1e-4)


def test_results_at_default_options_are_those_of_torch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESTORE_HOME", str(tmp_path / "home"))
    tile = TilePolicy(128, 16, 128 * 128, window=64)
    model = save_model(tmp_path, tile=tile)
    image = np.random.default_rng(0).random((200, 150, 3), dtype=np.float32)
    torchs, onnxs = (
        Restorer("denoise", model, device="cpu", backend=name) for name in ("torch", "onnxruntime")
    )
    assert onnxs.tiles == torchs.tiles == tile
    assert [*map(list, onnxs.borders(image))] == [*map(list, torchs.borders(image))]
    expected = torchs(image)
    np.testing.assert_allclose(onnxs(image), expected, rtol=0, atol=1e-4)
    whole = Restorer("denoise", model, device="cpu", tile=TilePolicy(128, 16, 128 * 128))
    assert np.abs(whole(image) - expected).max() > 1e-3  # windows and tiles matter


@pytest.mark.slow
def test_results_of_a_shipped_model_at_default_options_are_those_of_torch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESTORE_HOME", str(tmp_path))
    image = read(ROOT / "samples" / "cat-noisy.png").pixels / np.float32(255)
    torchs, onnxs = (
        Restorer("denoise", "denoise-small", device="cpu", precision="float32", backend=name)
        for name in ("torch", "onnxruntime")
    )
    policy = torchs.card.tiles
    assert policy.window
    assert max(image.shape) > policy.window  # several windows
    np.testing.assert_allclose(onnxs(image), torchs(image), rtol=0, atol=1e-4)


def test_a_file_without_windows_restores_in_smaller_tiles(
    exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESTORE_HOME", str(tmp_path))
    model = save_model(tmp_path, tile=TilePolicy(128, 16, 128 * 128, window=64))
    graph = onnx.load(exported.file)
    del graph.graph.input[1]  # as files of earlier versions
    graph.metadata_props.clear()
    onnx.save(graph, model.with_suffix(".onnx"))
    restorer = Restorer("denoise", model, device="cpu", backend="onnxruntime")
    assert restorer.tiles == TilePolicy(192, 16, 192 * 192)
    with pytest.raises(UsageError, match="tile 'window': backend onnxruntime cannot; use auto"):
        Restorer("denoise", model, device="cpu", backend="onnxruntime", tile="window")


def test_strips_are_refused(exported: Exported, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESTORE_HOME", str(exported.home))
    with pytest.raises(UsageError, match="tile 'exact': backend onnxruntime cannot; use off"):
        Restorer("denoise", exported.model, device="cpu", backend="onnxruntime", tile="exact")


def test_models_are_exported_without_torch(tmp_path: Path) -> None:
    image = tmp_path / "in.png"
    saved(image, smooth())
    words = ("denoise", image, tmp_path / "out.png", "--backend", "onnxruntime")
    done = run(COMMAND, *words, "--quality", "fast", home=tmp_path / "home", without=("torch",))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out.png").is_file()
    assert len([*(tmp_path / "home" / "onnx").glob("*.onnx")]) == 1


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_later_images_require_no_more_memory_than_the_first(tmp_path: Path) -> None:
    done = run(TWICE, home=tmp_path, without=("torch",))
    assert done.returncode == 0, done.stderr
    first, *others = map(int, done.stdout.split())
    assert first > 50 << 20
    assert max(others) < 1.3 * first


def test_weights_that_torch_converts_are_not_pulled_without_it(tmp_path: Path) -> None:
    done = run(COMMAND, "weights", "pull", "derain", home=tmp_path, without=("torch",))
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert "requires torch; without it: restore weights pull derain --onnx" in line


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
    assert "pip install onnx, or run elsewhere: restore export tiny tiny.onnx; and copy" in line
    (tmp_path / "onnx").mkdir()
    (tmp_path / "onnx" / "tiny.onnx").write_bytes(exported.file.read_bytes())
    done = run(COMMAND, *words, home=tmp_path)
    assert done.returncode == 0, done.stderr


def test_a_file_of_other_weights_is_refused(
    exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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
