"""Fast operators and layers agree with the plain ones, and are not used where they must not be."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from restore.networks.fast import layer_norm
from restore.networks.fast import onednn as fused
from restore.networks.fast.layer_norm import FastLayerNorm, normalised
from restore.networks.fast.layers import (
    FastConv,
    FastDense,
    FastGrow,
    WeightKeeper,
    keep_weights,
)
from restore.networks.fast.onednn import GELU, Activation
from restore.networks.maxim.layers import Conv, Dense, Grow, LayerNorm

Layer = TypeVar("Layer", bound=torch.nn.Module)

ACTIVATIONS = [None, GELU, Activation("leaky_relu", 0.2)]
NEAR = {torch.float32: 1e-5, torch.bfloat16: 2e-2}
needs_operators = pytest.mark.skipif(
    not all(fused._available(dtype) for dtype in NEAR),
    reason="this build of torch has no fused operators",
)


def operands(dtype: torch.dtype, size: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return pixels N x H x W x C, a kernel, a bias, and a map to add."""
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(2, 9, 7, 12, generator=generator).to(dtype)
    weight = torch.randn(12, 12, size, size, generator=generator).to(dtype) / (3 * size)
    bias, plus = torch.randn(12, generator=generator), torch.randn(2, 9, 7, 12, generator=generator)
    return x, weight, bias.to(dtype), plus.to(dtype)


@needs_operators
@pytest.mark.parametrize("is_packed", [False, True])
@pytest.mark.parametrize("dtype", NEAR, ids=str)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_fused_convolution_is_the_plain_one(
    activation: Activation | None, dtype: torch.dtype, is_packed: bool
) -> None:
    x, weight, bias, _ = operands(dtype, 3)
    x = x.permute(0, 3, 1, 2)
    plain = fused.followed(F.conv2d(x, weight, bias, padding=1), activation)
    with torch.inference_mode():
        kernel = fused.packed_kernel(weight, 1, 1) if is_packed else weight
        found = fused.convolution(x, kernel, bias, 1, 1, activation)
        torch.testing.assert_close(found, plain, rtol=NEAR[dtype], atol=NEAR[dtype])
        assert found.permute(0, 2, 3, 1).is_contiguous()


@needs_operators
@pytest.mark.parametrize("is_packed", [False, True])
@pytest.mark.parametrize("dtype", NEAR, ids=str)
@pytest.mark.parametrize(("activation", "adds"), [*((a, False) for a in ACTIVATIONS), (None, True)])
def test_a_fused_dense_layer_is_the_plain_one(
    activation: Activation | None, adds: bool, dtype: torch.dtype, is_packed: bool
) -> None:
    x, weight, bias, plus = operands(dtype, 1)
    matrix = weight[:, :, 0, 0]
    added = plus if adds else None
    plain = fused.followed(F.linear(x, matrix, bias), activation, added)
    before = plus.clone()
    with torch.inference_mode():
        packed = fused.packed(matrix) if is_packed else matrix
        found = fused.dense(x, packed, bias, activation, added)
        turned = plus.transpose(1, 2).contiguous().transpose(1, 2)  # not contiguous
        again = fused.dense(x, packed, bias, activation, turned if adds else None)
    for one in (found, again):
        torch.testing.assert_close(one, plain, rtol=NEAR[dtype], atol=NEAR[dtype])
    assert torch.equal(plus, before)


@needs_operators
def test_operators_are_not_usable_with_gradients_autocasting_or_other_formats() -> None:
    x, weight, _, _ = operands(torch.float32, 1)
    assert not fused.usable(x, weight)  # with gradients
    with torch.inference_mode():
        assert fused.usable(x, weight)
        assert fused.usable(x.bfloat16(), weight.bfloat16())
        assert not fused.usable(x.bfloat16(), weight)
        assert not fused.usable(x.double(), weight.double())
        with torch.autocast("cpu", torch.bfloat16):
            assert not fused.usable(x, weight)


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
        found = normalised(5 + 3 * x, 1e-6)
        expected = F.layer_norm(5 + 3 * x, (32,), eps=1e-6)
        torch.testing.assert_close(found, expected, **near)
        turned = normalised(5 + 3 * x, 1e-6, lambda t: t.permute(2, 0, 1, 3))
        assert turned.is_contiguous()
        torch.testing.assert_close(turned, expected.permute(2, 0, 1, 3), **near)
    torch.testing.assert_close(fused.matrix_product(a, b, offset), plain, **near)  # with gradients


@needs_operators
@pytest.mark.parametrize("channels", [32, 64, 128])
@pytest.mark.parametrize("tiles", [False, True])
def test_norms_of_bfloat16_are_near_the_exact_ones(
    tiles: bool, channels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layer_norm, "multiplies_tiles", lambda: tiles)
    x = torch.randn(2, 5, 7, channels, generator=torch.Generator().manual_seed(5))
    x = (20 + 3 * x).bfloat16()
    exact = F.layer_norm(x.double(), (channels,), eps=1e-6)
    with torch.inference_mode():
        assert layer_norm.is_centred_by_product(x) == tiles
        error = (normalised(x, 1e-6).double() - exact).abs()
        # Means are rounded where they are subtracted, differences where a product makes them.
        assert error.max() < (0.05 if tiles else 0.1)
        centre = fused.centred(x).double() - (x.double() - x.double().mean(dim=-1, keepdim=True))
        assert centre.abs().max() <= 2**-9 * 16  # half the distance of bfloat16 numbers above 8


def test_a_norm_before_a_dense_layer_becomes_part_of_it() -> None:
    plain_norm, plain_dense = LayerNorm(32), Dense(32, 8)
    generator = torch.Generator().manual_seed(3)
    for parameter in (*plain_norm.parameters(), *plain_dense.parameters()):
        torch.nn.init.normal_(parameter, generator=generator)
    x = torch.randn(1, 4, 6, 32, generator=generator)
    norm, dense = FastLayerNorm(plain_norm), FastDense(plain_dense)
    plain = GELU(plain_dense(plain_norm(x)))
    torch.testing.assert_close(dense(x, GELU, norm=norm), plain)  # with gradients
    with torch.inference_mode():
        torch.testing.assert_close(dense(x, GELU, norm=norm), plain, rtol=1e-5, atol=1e-5)
        parts = [dense(x, norm=norm, outputs=half) for half in (slice(0, 4), slice(4, 8))]
        whole = dense(norm(x))
        torch.testing.assert_close(torch.cat(parts, dim=-1), whole, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(torch.cat(dense.halves(x, GELU, norm), dim=-1), plain)
        halves = dense.together(x.chunk(2, dim=-1), plus=whole)
        torch.testing.assert_close(halves, dense(x) + whole, rtol=1e-5, atol=1e-5)


def filled(layer: Layer) -> Layer:
    generator = torch.Generator().manual_seed(3)
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter, generator=generator)
    return layer


@needs_operators
@pytest.mark.parametrize("dtype", NEAR, ids=str)
def test_kept_weights_give_what_fresh_ones_give(dtype: torch.dtype) -> None:
    norm = FastLayerNorm(filled(LayerNorm(32)).to(dtype))
    dense = FastDense(filled(Dense(32, 8)).to(dtype))
    conv = FastConv(filled(Conv(32, 8)).to(dtype))
    grow = FastGrow(filled(Grow(32, 8)).to(dtype))
    x = torch.randn(2, 4, 6, 32, generator=torch.Generator().manual_seed(4)).to(dtype)
    near = {"rtol": NEAR[dtype], "atol": 10 * NEAR[dtype]}

    def results() -> list[Tensor]:
        return [
            *(dense(x, norm=norm), dense(x), *dense.halves(x, GELU, norm)),
            *(dense(x[..., :16], inputs=slice(0, 16)), dense(x[..., 16:], inputs=slice(16, 32))),
            *(conv(x), grow(x)),
        ]

    with torch.inference_mode():
        fresh = results()
        keep_weights(torch.nn.ModuleList((norm, dense, conv, grow)))
        first = results()
        kept = [dict(layer.kept or {}) for layer in (dense, conv, grow)]
        again = results()
    for one, two, three in zip(fresh, first, again, strict=True):
        torch.testing.assert_close(two, one, **near)
        assert torch.equal(two, three)
    assert [len(made) for made in kept] == [6, 1, 1]
    for layer, made in zip((dense, conv, grow), kept, strict=True):
        assert all(layer.kept[key] is made[key] for key in made)


@pytest.mark.parametrize(("kind", "fast"), [(Dense, FastDense), (Conv, FastConv), (Grow, FastGrow)])
def test_kept_weights_are_no_parameters_and_need_no_gradients(
    kind: type[Conv], fast: Callable[[torch.nn.Module], WeightKeeper]
) -> None:
    plain_layer = filled(kind(32, 8))
    layer = fast(plain_layer)
    keep_weights(layer)
    names = set(layer.state_dict())
    x = torch.randn(1, 4, 6, 32)
    with torch.inference_mode():
        fused_one = layer(x)
    assert set(layer.state_dict()) == names
    plain = layer(x)  # the plain operators, on the weights themselves
    assert torch.equal(plain, plain_layer(x))
    torch.testing.assert_close(plain.detach(), fused_one, rtol=1e-5, atol=1e-4)
    plain.sum().backward()
    assert layer.weight.grad is not None


def test_a_torch_without_the_operators_uses_plain_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*arguments: object) -> Tensor:
        raise AttributeError("no such operator")

    monkeypatch.setattr(fused, "packed", missing)
    fused._available.cache_clear()
    dense, x = FastDense(filled(Dense(32, 8))), torch.randn(1, 4, 6, 32)
    try:
        keep_weights(dense)
        with torch.inference_mode():
            assert not fused.usable(x)
            y = dense(x, GELU)
    finally:
        fused._available.cache_clear()
    torch.testing.assert_close(y, GELU(F.linear(x, dense.weight, dense.bias)))


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
