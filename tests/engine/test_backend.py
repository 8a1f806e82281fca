from __future__ import annotations

import copy
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from exported import Exported, tiny
from models import save_model
from torch.utils._python_dispatch import TorchDispatchMode

from restore import Restorer
from restore.checkpoints import store
from restore.engine import backend, torch_backends
from restore.engine.tile_options import ALL, LEAST, SOME
from restore.errors import RestoreError, UsageError
from restore.networks.fast import FastMaxim, onednn
from restore.networks.fast.layers import WeightKeeper

needs_operators = pytest.mark.skipif(
    not onednn._available(torch.float32), reason="this build of torch has no fused operators"
)


@pytest.fixture(scope="module")
def exported() -> Iterator[Exported]:
    found = tiny()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RESTORE_HOME", str(found.home))
        yield found


def load(exported: Exported, name: str = "onnxruntime", **options: Any) -> Restorer:
    options = {"device": "cpu", "precision": "float32"} | options
    return Restorer("denoise", exported.model, backend=name, **options)


def picture(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).integers(0, 255, shape, np.uint8, endpoint=True)


@pytest.mark.parametrize(
    "options", [{}, {"tile": 32}, {"ensemble": True, "strength": 0.7}], ids=str
)
def test_restored_pictures_differ_by_one_level_at_most(
    exported: Exported, options: dict[str, Any]
) -> None:
    torchs, onnxs = (load(exported, name, **options) for name in ("torch", "onnxruntime"))
    for image in (picture(33, 70, 3), picture(45, 20)):
        expected, result = torchs(image), onnxs(image)
        assert np.abs(expected.astype(int) - image).max() > 5
        assert result.shape == image.shape
        assert np.abs(result.astype(int) - expected).max() <= 1


@needs_operators
@pytest.mark.parametrize("hold", [ALL, SOME, LEAST])
def test_plain_is_torch_in_its_plain_operators(exported: Exported, hold: str) -> None:
    model = store.locate(exported.model)
    torchs, plain = (backend.load(n, model, "cpu", "float32") for n in ("torch", "plain"))
    pixels = np.random.default_rng(2).random((1, 3, 64, 96), dtype=np.float32)
    with Operators() as fusing:
        expected = torchs(pixels, hold=hold)
    with Operators() as plainly:
        found = plain(pixels, hold=hold)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert not plainly.used & {"mkldnn::_linear_pointwise", "aten::linalg_vector_norm"}
    assert "aten::native_layer_norm" in plainly.used
    assert "aten::native_layer_norm" not in fusing.used
    assert "mkldnn::_linear_pointwise" in fusing.used


class Operators(TorchDispatchMode):
    """Notes the names of the operators that torch runs."""

    def __init__(self) -> None:
        super().__init__()
        self.used: set[str] = set()

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        self.used.add(function.name())
        return function(*args, **(kwargs or {}))


@needs_operators
@pytest.mark.parametrize("hold", [ALL, SOME, LEAST])
def test_layers_keep_nothing_that_they_did_not_when_loaded(exported: Exported, hold: str) -> None:
    run = backend.load("torch", store.locate(exported.model), "cpu", "float32")
    assert isinstance(run, torch_backends.TorchBackend)
    run._most = 2**12  # by strips, and by offsets

    def kept() -> int:
        return sum(len(m.kept or {}) for m in run._network.modules() if isinstance(m, WeightKeeper))

    before = kept()
    assert before > 0
    for windows in ((1, 1), (2, 2)):
        run(np.zeros((1, 3, 128, 192), np.float32), windows, hold)
    assert kept() == before


def test_a_restorer_can_be_copied(exported: Exported) -> None:
    restorer = load(exported, "torch")
    image = picture(40, 50, 3)
    expected = restorer(image)
    np.testing.assert_array_equal(copy.deepcopy(restorer)(image), expected)


def test_networks_agree_whatever_the_memory_looks_like(exported: Exported) -> None:
    model = store.locate(exported.model)
    pixels = np.random.default_rng(1).random((2, 3, 64, 96), dtype=np.float32)
    views = [pixels, pixels[::-1, :, ::-1, ::-1], pixels.transpose(0, 1, 3, 2)]
    views[1].setflags(write=False)
    for name in ("torch", "onnxruntime"):
        run = backend.load(name, model, "cpu", "float32")
        assert (run.name, str(run.compute.device), run.compute.precision) == (
            name,
            "cpu",
            "float32",
        )
        for view in views:
            result = run(view)
            assert (result.dtype, result.shape) == (np.float32, view.shape)
            np.testing.assert_array_equal(run(np.ascontiguousarray(view)), result)
            reference = backend.load("torch", model, "cpu", "float32")(view)
            np.testing.assert_allclose(result, reference, rtol=0, atol=1e-4)


def test_threads_may_share_a_session(exported: Exported) -> None:
    restore = load(exported)
    images = [picture(20 + i, 40, 3) for i in range(8)]
    alone = [restore(image).tobytes() for image in images]
    with ThreadPoolExecutor(4) as pool:
        assert [found.tobytes() for found in pool.map(restore, images)] == alone


def test_auto_is_float32_also_where_the_card_allows_less(exported: Exported) -> None:
    compute = load(exported, device="auto", precision="auto").compute
    assert compute.precision == "float32"
    assert compute.device.type in ("cpu", "cuda")


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"precision": "bfloat16"}, "precision 'bfloat16': onnxruntime computes in float32 alone"),
        (
            {"name": "tensorflow"},
            "backend 'tensorflow' is unknown; use torch, onnxruntime, triton or plain",
        ),
        ({"device": "gpu"}, "device 'gpu' is unknown.*"),
    ],
)
def test_options_that_do_not_exist_are_refused(
    exported: Exported, options: dict[str, Any], what: str
) -> None:
    with pytest.raises(UsageError, match=rf"\A{what}\Z"):
        load(exported, **options)


@pytest.mark.skipif(torch.cuda.is_available(), reason="has a CUDA GPU")
def test_a_missing_gpu_is_named(exported: Exported) -> None:
    with pytest.raises(RestoreError, match=r"\Adevice 'cuda': .*use device='cpu'\Z"):
        load(exported, device="cuda")


def test_the_extra_that_is_missing_is_named(
    exported: Exported, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(
        RestoreError, match=r'\A.*needs an extra: pip install "maxim-restore\[onnx\]"\Z'
    ):
        load(exported)


def test_a_damaged_file_in_the_cache_is_named(
    exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "onnx" / exported.file.name
    broken.parent.mkdir()
    broken.write_bytes(exported.file.read_bytes()[:20_000])
    monkeypatch.setenv("RESTORE_HOME", str(tmp_path))
    with pytest.raises(
        RestoreError, match=rf"\A{broken}: onnxruntime cannot load it; remove it .*\Z"
    ):
        load(exported)


def test_a_cache_that_cannot_be_made_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESTORE_HOME", str(save_model(tmp_path)))
    with pytest.raises(RestoreError, match=r"\A.*onnx: cannot be written: .*\Z"):
        Restorer("denoise", tmp_path / "tiny.safetensors", backend="onnxruntime", device="cpu")


def test_one_picture_lies_in_memory_as_torch_expects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    strides: list[tuple[int, ...]] = []
    forward = FastMaxim.forward

    def listen(self: FastMaxim, x: torch.Tensor, *walk: Any) -> torch.Tensor:
        strides.append(x.stride())
        return forward(self, x, *walk)

    restorer = Restorer("denoise", save_model(tmp_path), device="cpu")
    monkeypatch.setattr(FastMaxim, "forward", listen)
    # numpy's new axis has a stride of 0, with which torch's kernels take up to ten times as long.
    restorer(picture(64, 96, 3))
    assert strides == [(64 * 96 * 3, 1, 96 * 3, 3)]
