"""Fused convolutions do what the plain ones do, wherever they may be used."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from restore.network import fused
from restore.network.fused import GELU, Activation, convolution
from restore.network.layers import Dense, LayerNorm

CASES = [(GELU, False), (Activation("leaky_relu", 0.2), False), (None, True), (None, False)]
NEAR = {torch.float32: 1e-5, torch.bfloat16: 2e-2}


def operands(dtype: torch.dtype, size: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(2, 12, 9, 7, generator=generator).to(dtype)
    weight = torch.randn(12, 12, size, size, generator=generator).to(dtype) / (3 * size)
    bias, plus = torch.randn(12, generator=generator), torch.randn(2, 12, 9, 7, generator=generator)
    channels_last = torch.channels_last
    x, plus = (t.to(dtype).contiguous(memory_format=channels_last) for t in (x, plus))
    return x, weight, bias.to(dtype), plus


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("dtype", NEAR, ids=str)
@pytest.mark.parametrize(("activation", "adds"), CASES)
def test_fused_is_plain(
    activation: Activation | None, adds: bool, dtype: torch.dtype, size: int
) -> None:
    x, weight, bias, plus = operands(dtype, size)
    arguments = (x, weight, bias, 1, size // 2, activation, plus if adds else None)
    plain = fused._plain(*arguments)
    with torch.inference_mode():
        torch.testing.assert_close(
            convolution(*arguments), plain, rtol=NEAR[dtype], atol=NEAR[dtype]
        )


def test_it_is_used_here_and_not_where_it_must_not_be(monkeypatch: pytest.MonkeyPatch) -> None:
    if not fused._available(torch.float32) or not fused._available(torch.bfloat16):
        pytest.skip("this build of torch has no such operators")
    used = []
    real = fused._fused
    monkeypatch.setattr(fused, "_fused", lambda *a: used.append(a) or real(*a))
    x, weight, bias, plus = operands(torch.float32, 1)
    with torch.inference_mode():
        convolution(x, weight, bias, 1, 0, GELU)
        convolution(*operands(torch.bfloat16, 1)[:3], 1, 0, plus=plus.bfloat16())
    assert len(used) == 2
    with torch.inference_mode():
        convolution(x, weight, bias, 1, 0)
        convolution(x, weight, bias, 1, 0, plus=plus)
        convolution(*operands(torch.bfloat16, 1)[:3], 1, 0, plus=plus.bfloat16().contiguous())
        with torch.autocast("cpu", torch.bfloat16):
            convolution(x, weight, bias, 1, 0, GELU)
        convolution(x.double(), weight.double(), bias.double(), 1, 0, GELU)
    convolution(x.requires_grad_(), weight, bias, 1, 0, GELU).sum().backward()
    assert len(used) == 2
    assert x.grad is not None


@pytest.mark.parametrize("dtype", NEAR, ids=str)
@pytest.mark.parametrize("bias", [False, True])
def test_products_and_norms_are_the_plain_ones(bias: bool, dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(2)
    a, b, x = (
        torch.randn(*shape, generator=generator).to(dtype)
        for shape in ((16, 16), (16, 40), (2, 3, 5, 32))
    )
    offset = a[0].clone() if bias else None
    plain = a @ b + (0 if offset is None else offset[:, None])
    near = {"rtol": NEAR[dtype], "atol": 4 * NEAR[dtype]}
    with torch.inference_mode():
        torch.testing.assert_close(fused.matrix_product(a, b, offset), plain, **near)
        found = fused.normalised(5 + 3 * x, 1e-6)
        expected = F.layer_norm(5 + 3 * x, (32,), eps=1e-6)
        torch.testing.assert_close(found, expected, **near)
        turned = fused.normalised(5 + 3 * x, 1e-6, lambda t: t.permute(2, 0, 1, 3))
        assert turned.is_contiguous()
        torch.testing.assert_close(turned, expected.permute(2, 0, 1, 3), **near)
    torch.testing.assert_close(fused.matrix_product(a, b, offset), plain, **near)  # with gradients


def test_a_norm_before_a_dense_layer_becomes_part_of_it() -> None:
    norm, dense = LayerNorm(32), Dense(32, 8)
    generator = torch.Generator().manual_seed(3)
    for parameter in (*norm.parameters(), *dense.parameters()):
        torch.nn.init.normal_(parameter, generator=generator)
    x = torch.randn(1, 4, 6, 32, generator=generator)
    plain = dense(x, GELU, norm=norm)
    with torch.inference_mode():
        torch.testing.assert_close(dense(x, GELU, norm=norm), plain, rtol=1e-5, atol=1e-5)
        parts = [dense(x, norm=norm, outputs=half) for half in (slice(0, 4), slice(4, 8))]
        whole = dense(norm(x))
        torch.testing.assert_close(torch.cat(parts, dim=-1), whole, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(torch.cat(dense.halves(x, GELU, norm), dim=-1), plain)
        halves = dense.together(x.chunk(2, dim=-1), plus=whole)
        torch.testing.assert_close(halves, dense(x) + whole, rtol=1e-5, atol=1e-5)


def test_a_torch_without_the_operators_does_without(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*arguments: object) -> Tensor:
        raise AttributeError("no such operator")

    monkeypatch.setattr(fused, "_fused", missing)
    fused._available.cache_clear()
    x, weight, bias, _ = operands(torch.float32, 1)
    try:
        with torch.inference_mode():
            y = convolution(x, weight, bias, 1, 0, GELU)
    finally:
        fused._available.cache_clear()
    torch.testing.assert_close(y, fused._plain(x, weight, bias, 1, 0, GELU, None))


@pytest.mark.parametrize("dtype", NEAR, ids=str)
@pytest.mark.parametrize("windows", [(1, 1), (2, 3)], ids=str)
def test_means_of_windows_are_the_plain_ones(windows: tuple[int, int], dtype: torch.dtype) -> None:
    x = torch.randn(2, 8, 21, 5, generator=torch.Generator().manual_seed(4)).to(dtype) + 3
    plain = fused.window_means(x, *windows)  # with gradients
    down, across = windows
    assert plain.shape == (2, down, across, 5)
    corner = x[:, : 8 // down, : 21 // across].float().mean(dim=(1, 2))
    near = {"rtol": NEAR[dtype], "atol": NEAR[dtype]}
    torch.testing.assert_close(plain[:, 0, 0].float(), corner, **near)
    with torch.inference_mode():
        torch.testing.assert_close(fused.window_means(x, *windows), plain, **near)
