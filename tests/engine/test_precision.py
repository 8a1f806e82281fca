from __future__ import annotations

import pytest
import torch
from models import TINY

from restore.checkpoints.card import BFLOAT16, FLOAT32, Card
from restore.engine import precision
from restore.engine.precision import bfloat16_is_fast, choose, choose_device
from restore.errors import RestoreError

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


def card(*precisions: str) -> Card:
    return Card(name="tiny", task="denoise", network=TINY, sha256="", precisions=precisions)


def have(monkeypatch: pytest.MonkeyPatch, *, gpus: int = 0, metal: bool = False) -> None:
    """Pretend that the machine has this many CUDA GPUs and a Metal one or not."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: metal)


@pytest.mark.parametrize(
    ("gpus", "metal", "expected"),
    [(0, False, "cpu"), (0, True, "mps"), (1, False, "cuda"), (1, True, "cuda")],
)
def test_auto_prefers_cuda_then_metal_then_cpu(
    monkeypatch: pytest.MonkeyPatch, gpus: int, metal: bool, expected: str
) -> None:
    have(monkeypatch, gpus=gpus, metal=metal)
    assert choose_device("auto") == torch.device(expected)


@pytest.mark.parametrize("name", ["cpu", "cuda", "cuda:1", "mps"])
def test_a_device_that_is_there_is_taken(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    have(monkeypatch, gpus=2, metal=True)
    assert choose_device(name) == torch.device(name)


@pytest.mark.parametrize(
    ("name", "gpus", "what"),
    [
        ("cuda", 0, "no usable CUDA GPU; use device='cpu'"),
        ("cuda:0", 0, "no usable CUDA GPU"),
        ("cuda:2", 2, "there are 2 GPUs, from 0"),
        ("mps", 0, "no Metal GPU"),
        ("gpu", 0, "is unknown; use auto, cpu, cuda or mps"),
        ("", 0, "is unknown"),
        ("cuda:x", 1, "is unknown"),
        ("meta", 0, "is not supported"),
    ],
)
def test_a_device_that_is_not_there_is_refused_in_one_line(
    monkeypatch: pytest.MonkeyPatch, name: str, gpus: int, what: str
) -> None:
    have(monkeypatch, gpus=gpus)
    with pytest.raises(RestoreError, match=rf"\Adevice '{name}'.*{what}.*\Z"):
        choose_device(name)


@pytest.mark.parametrize(
    ("vouched", "fast", "expected"),
    [
        ((FLOAT32,), True, FLOAT32),
        ((FLOAT32, BFLOAT16), False, FLOAT32),
        ((FLOAT32, BFLOAT16), True, BFLOAT16),
    ],
)
def test_auto_takes_bfloat16_where_it_is_safe_and_fast(
    monkeypatch: pytest.MonkeyPatch, vouched: tuple[str, ...], fast: bool, expected: str
) -> None:
    monkeypatch.setattr(precision, "bfloat16_is_fast", lambda device: fast)
    assert choose("cpu", "auto", card(*vouched)).precision == expected


@pytest.mark.parametrize(("name", "dtype"), [(FLOAT32, torch.float32), (BFLOAT16, torch.bfloat16)])
def test_a_precision_given_by_name_is_used_as_asked(name: str, dtype: torch.dtype) -> None:
    compute = choose("cpu", name, card(FLOAT32))
    assert compute.device == CPU
    assert compute.dtype == dtype


@pytest.mark.parametrize("name", ["float16", "", "Float32"])
def test_an_unknown_precision_is_refused_in_one_line(name: str) -> None:
    with pytest.raises(RestoreError, match=rf"\Aprecision '{name}'.*float32, bfloat16\Z"):
        choose("cpu", name, card(FLOAT32))


@pytest.mark.parametrize(("capability", "fast"), [((7, 5), False), ((8, 0), True), ((9, 0), True)])
def test_gpus_multiply_bfloat16_since_ampere(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], fast: bool
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert bfloat16_is_fast(CUDA) is fast


@pytest.mark.parametrize(
    ("capabilities", "fast"),
    [
        ({}, False),
        ({"avx512_f": True, "avx512_bf16": False}, False),
        ({"avx512_bf16": True}, True),
        ({"amx_bf16": True}, True),
    ],
)
def test_some_cpus_multiply_bfloat16(
    monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, bool], fast: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert bfloat16_is_fast(CPU) is fast
