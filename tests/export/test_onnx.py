from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from command import restore
from exported import Exported, tiny
from models import MULTIPLE, save_model, tiny_network
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument

from restore import __version__
from restore.checkpoints import store, weights
from restore.checkpoints.card import Card, read_card
from restore.errors import CheckpointError, RestoreError
from restore.export.onnx import export
from restore.export.onnx_files import cached
from restore.files import sha256_of
from restore.media.image import read
from restore.networks import initialise, variants
from restore.networks.fast import WholeMaps, optimise
from restore.networks.graph import OPSET
from restore.networks.maxim import MaximConfig
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


def test_windows_are_an_input(exported: Exported) -> None:
    run = session(exported.file).run
    picture = noise(1, 4, 6, MULTIPLE)
    windows = np.array([2, 3], np.int64)
    (confined,) = run(None, {"picture": picture, "windows": windows})
    with torch.inference_mode():
        expected = optimise(tiny_network())(torch.from_numpy(picture), WholeMaps((2, 3))).numpy()
    np.testing.assert_allclose(confined, expected, rtol=0, atol=1e-4)
    (whole,) = run(None, {"picture": picture})
    assert np.abs(confined - whole).max() > 0.002


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
    picture, windows = model.graph.input
    assert windows.name == "windows"
    for value in (picture, *model.graph.output):
        pictures, channels, height, width = value.type.tensor_type.shape.dim
        assert channels.dim_value == 3
        assert pictures.dim_param
        assert (height.dim_param, width.dim_param) == (f"{MULTIPLE}*rows", f"{MULTIPLE}*columns")


def test_the_file_holds_little_but_weights_and_nothing_of_this_machine(exported: Exported) -> None:
    parameters = sum(p.numel() for p in tiny_network().parameters())
    assert exported.file.stat().st_size < 4 * parameters + 150_000
    data = exported.file.read_bytes()
    for place in (str(ROOT), "site-packages", str(exported.home)):
        assert place.encode() not in data


def test_the_cache_is_filled_once(exported: Exported, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESTORE_HOME", str(exported.home))
    monkeypatch.setitem(sys.modules, "onnx", None)  # so nothing can be exported
    assert cached(store.locate(exported.model)) == exported.file


def test_the_extra_that_is_missing_is_named(
    exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
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


def test_weights_of_another_network_are_named(tmp_path: Path) -> None:
    model = save_model(tmp_path)
    card = json.loads(model.with_suffix(".json").read_text())
    cases = [
        (
            {"num_groups": 2},
            "tensor stages.0.encoders.0.groups.1.multi_axis.norm.weight is missing",
        ),
        ({"use_global_mlp": False}, r"tensor \S*multi_axis\S* does not belong to this network"),
        ({"block_size_hr": [8, 8]}, "is not the network of its card"),
    ]
    for change, what in cases:
        changed = card | {"network": card["network"] | change}
        model.with_suffix(".json").write_text(json.dumps(changed))
        with pytest.raises(CheckpointError, match=rf"\A{model}: {what}.*\Z"):
            export(model, tmp_path / "out.onnx")
    assert not (tmp_path / "out.onnx").exists()


def test_weights_at_8_bits_and_in_bfloat16_are_expanded(tmp_path: Path) -> None:
    saved = save_model(tmp_path)
    network, card = weights.load(saved), read_card(saved)
    for dtype in (torch.int8, torch.bfloat16):
        path = tmp_path / "stored.safetensors"
        weights.save(network, card, path, dtype)
        export(path, tmp_path / "stored.onnx", overwrite=True)
        stored = weights.load(path)
        assert isinstance(stored, Maxim)
        assert_as_torch(tmp_path / "stored.onnx", stored, [noise(1, 2, 2, MULTIPLE)])


def test_progress_counts_parameters(exported: Exported, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    export(exported.model, tmp_path / "out.onnx", progress=lambda *counts: told.append(counts))
    count = len(tiny_network().state_dict())
    assert told == sorted(told)
    assert told[-1] == (count, count)


def test_an_official_shape_is_exported_within_two_minutes(tmp_path: Path) -> None:
    config = variants()["S-2"]
    assert isinstance(config, MaximConfig)
    network = initialise(Maxim(config), torch.Generator().manual_seed(0), quiet_branches=False)
    network.eval().requires_grad_(False)
    for stage in (network.stages[0].attentions[0].conv_image, network.stages[1].output_convs[0]):
        stage.weight.mul_(0.02)
    path = tmp_path / "s-2.safetensors"
    weights.save(network, Card("s-2", "derain", config, ""), path)
    started = time.process_time()
    export(path, tmp_path / "s-2.onnx")
    assert time.process_time() - started < 30  # 1.5 s on one core of an AMD EPYC
    assert_as_torch(tmp_path / "s-2.onnx", network, [sample("cat-noisy", 64, 64)])


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
    network = weights.load(model.path, model.card)
    assert isinstance(network, Maxim)
    assert_as_torch(target, network, pictures)
