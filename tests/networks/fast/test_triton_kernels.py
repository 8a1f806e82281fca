from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command import one_error_line, restore
from models import MULTIPLE, save_model
from torch import Tensor, nn

from restore.checkpoints import store
from restore.engine import backend, torch_backends
from restore.engine.budget import NotEnoughMemoryError
from restore.engine.cuda import AFTER, Gpu, Run, captured
from restore.engine.tile_options import ALL, LEAST, SOME
from restore.errors import RestoreError, UsageError
from restore.networks.architecture import Pair

ROOT = Path(__file__).resolve().parents[3]
CASES = ROOT / "tests" / "support" / "kernel_cases.py"
CONSUMER = 99 * 1024
"""Bytes of shared memory of a program on the smallest GPUs."""
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
needs_none = pytest.mark.skipif(torch.cuda.is_available(), reason="has a CUDA GPU")


def run_cases(folder: Path, **variables: str) -> None:
    pytest.importorskip("triton", reason="triton comes with torch for CUDA alone")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(CASES)]
    environment = os.environ | {"TRITON_CACHE_DIR": str(folder)} | variables
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


@pytest.mark.slow
def test_kernels_compute_what_the_plain_layer_does(tmp_path: Path) -> None:
    run_cases(tmp_path, TRITON_INTERPRET="1")


@needs_gpu
def test_kernels_compute_what_the_plain_layer_does_on_a_gpu(tmp_path: Path) -> None:
    run_cases(tmp_path, TRITON_INTERPRET="0")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("capability", "number", "channels", "size", "missing"),
    [
        (80, "bf16", 48, (8, 8), ()),
        (80, "fp32", 512, (16, 16), ("bias", "mix_bias")),
        (90, "bf16", 256, (16, 16), ()),
    ],
)
def test_kernels_compile_for_absent_gpus(
    capability: int,
    number: str,
    channels: int,
    size: Pair,
    missing: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The interpreter accepts code that the compiler refuses, and has no memory limits.
    triton = pytest.importorskip("triton", reason="triton comes with torch for CUDA alone")
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from restore.networks.fast import triton_kernels as kernels

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    bytes_a_value = {"bf16": 2, "fp32": 4}[number]
    for kernel, tiles in (
        (kernels.into_gates, kernels.gates_tiles(channels, channels, bytes_a_value)),
        (kernels.mix, kernels.mix_tiles(size, channels, channels, bytes_a_value)),
    ):
        options = {name: tiles.pop(name) for name in ("num_warps", "enable_fp_fusion")}
        compiled_in = dict.fromkeys(set(kernel.arg_names) & set(missing)) | tiles
        numbers = dict.fromkeys(("count", "stride", "width", "down", "across"), "i32")
        types = numbers | {"eps": "fp32"} | dict.fromkeys(compiled_in, "constexpr")
        signature = {name: types.get(name, f"*{number}") for name in kernel.arg_names}
        source = ASTSource(kernel, signature, compiled_in)
        target = GPUTarget("cuda", capability, 32)
        compiled = triton.compile(source, target=target, options=options)
        assert 0 < compiled.metadata.shared <= CONSUMER
        assert "tf32" not in compiled.asm["ptx"]


def load(folder: Path, **options: Any) -> backend.Backend:
    options = {"device": "auto", "precision": "auto"} | options
    return backend.load("triton", store.locate(save_model(folder)), **options)


def test_a_missing_triton_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "triton", None)
    monkeypatch.delitem(sys.modules, "restore.networks.fast.triton_kernels", raising=False)
    message = r"\Abackend triton needs triton, which .* brings; use backend='torch'\Z"
    with pytest.raises(RestoreError, match=message):
        load(tmp_path)


@needs_none
def test_a_missing_gpu_is_one_line(tmp_path: Path) -> None:
    pytest.importorskip("triton", reason="triton comes with torch for CUDA alone")
    missing = "backend triton: this machine has no usable CUDA GPU; use"
    for device in ("auto", "cuda", "cpu"):
        with pytest.raises(RestoreError, match=rf"\A{missing} backend='torch'\Z"):
            load(tmp_path, device=device)
    model = tmp_path / "tiny.safetensors"
    options = ("--size", "64x64", "--rounds", 1, "--backend", "triton")
    line = one_error_line(restore("bench", "speed", model, *options))
    assert line == f"error: {model}: {missing} --backend torch"


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (ArithmeticError("off by 1"), RestoreError, "ArithmeticError: off by 1"),
        (KeyError(), RestoreError, "KeyError: "),
        (ValueError("at 1:2:\nthe kernel"), RestoreError, "ValueError: at 1:2:"),
        (RuntimeError("x" * 300), RestoreError, "RuntimeError: " + "x" * 186),
        (torch.OutOfMemoryError("CUDA out of memory"), NotEnoughMemoryError, None),
    ],
    ids=["wrong", "without a message", "two lines", "long", "memory"],
)
def test_errors_of_the_check_are_one_line(
    error: Exception,
    kind: type[RestoreError],
    message: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("triton", reason="triton comes with torch for CUDA alone")
    from restore.networks.fast import triton_kernels as kernels

    def check(network: nn.Module) -> None:
        raise error

    monkeypatch.setattr(kernels, "check", check)
    monkeypatch.setattr(torch_backends, "_require_gpu", lambda device: None)
    with pytest.raises(RestoreError) as raised:
        load(tmp_path, device="cpu")
    assert type(raised.value) is kind
    expected = "not enough memory"
    if message is not None:
        expected = f"backend triton does not work on this machine ({message}); use backend='torch'"
    assert str(raised.value) == expected


@needs_gpu
def test_other_devices_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\Adevice 'cpu': triton computes on CUDA GPUs alone"):
        load(tmp_path, device="cpu")


@needs_gpu
@pytest.mark.parametrize("hold", [ALL, SOME, LEAST])
@pytest.mark.parametrize("windows", [(1, 1), (2, 3)])
@pytest.mark.parametrize(("precision", "near"), [("float32", 1e-4), ("bfloat16", 3e-2)])
def test_a_network_computes_the_same_on_a_gpu_and_as_a_graph(
    precision: str,
    near: float,
    windows: Pair,
    hold: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[Run] = []

    def counted(run: Run, x: Tensor) -> Run:
        made.append(captured(run, x))
        return made[-1]

    monkeypatch.setattr(
        torch_backends, "FILLS_A_GPU", 0
    )  # which would hold all of pictures so small
    plain = backend.load("torch", store.locate(save_model(tmp_path)), "cuda", precision)
    fused = load(tmp_path, precision=precision)
    assert isinstance(fused, torch_backends.TritonBackend)
    assert (fused.name, fused.by_windows, fused.compute) == ("triton", True, plain.compute)
    fused._gpu = Gpu(fused.compute.device, counted)
    fused._most = 1024  # so that a layer takes several strips
    for seed in range(AFTER + 3):
        shape = (2, 3, 2 * MULTIPLE, 3 * MULTIPLE)
        pictures = np.random.default_rng(seed).random(shape, dtype=np.float32)
        expected = plain(pictures, windows, hold)
        np.testing.assert_allclose(fused(pictures, windows, hold), expected, rtol=0, atol=near)
    assert len(made) == 1
