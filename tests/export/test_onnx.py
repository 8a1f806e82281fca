from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from command import restore
from exported import Exported, tiny
from models import MULTIPLE, tiny_network
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument

from restore import __version__
from restore.checkpoints import store, weights
from restore.errors import CheckpointError, RestoreError
from restore.export.onnx import export
from restore.export.onnx_files import OPSET, cached
from restore.files import sha256_of
from restore.media.image import read
from restore.networks.maxim.network import Maxim

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def exported() -> Exported:
    return tiny()


def session(path: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def sample(name: str, height: int, width: int) -> np.ndarray:
    pixels = read(ROOT / "samples" / f"{name}.png").pixels[:height, :width]
    return (pixels / np.float32(255)).transpose(2, 0, 1)[None]


def assert_as_torch(file: Path, network: Maxim, pictures: list[np.ndarray]) -> None:
    run = session(file).run
    for picture in pictures:
        (restored,) = run(["restored"], {"picture": picture})
        with torch.inference_mode():
            expected = network(torch.from_numpy(picture)).numpy()
        assert restored.dtype == np.float32
        assert np.abs(expected - picture).max() > 0.01  # it does something
        np.testing.assert_allclose(restored, expected, rtol=0, atol=1e-4)


def noise(count: int, rows: int, columns: int, multiple: int) -> np.ndarray:
    shape = (count, 3, rows * multiple, columns * multiple)
    return np.random.default_rng(rows + columns).random(shape, dtype=np.float32)


def test_any_number_height_and_width_are_as_torch_has_them(exported: Exported) -> None:
    sizes = [(1, 1, 1), (1, 1, 5), (3, 7, 2), (2, 3, 3), (1, 9, 1)]
    pictures = [noise(*size, MULTIPLE) for size in sizes]
    assert_as_torch(exported.file, tiny_network(), [*pictures, sample("cat-noisy", 224, 96)])


def test_a_size_against_the_rule_is_refused(exported: Exported) -> None:
    run = session(exported.file).run
    for height, width in ((33, 32), (32, 48), (16, 16)):
        with pytest.raises((Fail, InvalidArgument)):  # by the operator that notices
            run(None, {"picture": np.zeros((1, 3, height, width), np.float32)})


def test_the_file_says_what_it_is(exported: Exported) -> None:
    model = onnx.load(exported.file)
    onnx.checker.check_model(model, full_check=True)
    said = {prop.key: prop.value for prop in model.metadata_props}
    assert said["name"] == "tiny"
    assert said["task"] == "denoise"
    assert said["licence"] == "CC0"
    assert json.loads(said["size_multiple"]) == [MULTIPLE, MULTIPLE]
    assert said["opset"] == str(OPSET) == str(model.opset_import[0].version)
    assert said["precision"] == "float32"
    assert said["weights_sha256"] == sha256_of(exported.model)
    assert said["restore_version"] == __version__
    assert "N x 3 x H x W float32, RGB in [0, 1]" in said["input"]
    for value in (*model.graph.input, *model.graph.output):
        pictures, channels, height, width = value.type.tensor_type.shape.dim
        assert channels.dim_value == 3
        assert pictures.dim_param
        assert (height.dim_param, width.dim_param) == (f"{MULTIPLE}*rows", f"{MULTIPLE}*columns")


def test_the_file_holds_little_but_weights_and_nothing_of_this_machine(exported: Exported) -> None:
    parameters = sum(p.numel() for p in tiny_network().parameters())
    assert exported.file.stat().st_size < 4 * parameters + 400_000
    data = exported.file.read_bytes()
    for place in (str(ROOT), "site-packages", str(exported.home)):
        assert place.encode() not in data


def test_the_cache_is_filled_once(exported: Exported, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESTORE_HOME", str(exported.home))
    monkeypatch.setitem(sys.modules, "onnxscript", None)  # so nothing can be exported
    assert cached(store.locate(exported.model)) == exported.file


def test_the_extra_that_is_missing_is_named(
    exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(RestoreError, match=r'\A.*pip install "maxim-restore\[onnx\]"\Z'):
        export(exported.model, tmp_path / "out.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_target_that_will_not_do_is_refused(exported: Exported, tmp_path: Path) -> None:
    there = tmp_path / "there.onnx"
    there.write_bytes(b"before")
    (tmp_path / "folder.onnx").mkdir()
    cases = [
        (there, "exists already; give overwrite=True to replace it"),
        (tmp_path / "out.pt", r"an ONNX file must end in \.onnx"),
        (tmp_path / "none" / "out.onnx", "folder .*none does not exist"),
    ]
    for path, what in cases:
        with pytest.raises(CheckpointError, match=rf"\A{path}: {what}\Z"):
            export(exported.model, path)
    with pytest.raises(CheckpointError, match=r"is a folder; name the output file\Z"):
        export(exported.model, tmp_path / "folder.onnx", overwrite=True)
    assert there.read_bytes() == b"before"


@pytest.mark.slow
def test_a_shipped_model_is_as_torch_has_it(tmp_path: Path) -> None:
    target = tmp_path / "out.onnx"
    target.write_bytes(b"before")
    outcome = restore("export", "denoise-small", target, "--overwrite", "--json")
    assert (outcome.code, outcome.stderr) == (0, "")
    assert [path.name for path in tmp_path.iterdir()] == ["out.onnx"]
    model = store.locate("denoise-small")
    said = json.loads(outcome.stdout)
    assert said["metadata"]["weights_sha256"] == model.card.sha256
    assert said["bytes"] == target.stat().st_size < 4.2 * (model.card.parameters or 0)
    multiple = model.card.network.size_multiple[0]
    pictures = [noise(*size, multiple) for size in ((1, 1, 1), (1, 1, 5), (2, 3, 2))]
    pictures += [sample("cat-noisy", 192, 256), sample("coffee-dark", 64, 192)]
    assert_as_torch(target, weights.load(model.path, model.card), pictures)
