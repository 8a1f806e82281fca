"""Cases for the kernels: on the CPU where TRITON_INTERPRET is set, else on the GPU.

`test_triton_kernels.py` runs these in a process of their own, as Triton decides that when it is
imported.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from models import MULTIPLE, tiny_network
from torch import Tensor, nn
from triton import language as tl
from triton.runtime import interpreter

from restore.networks.architecture import Pair
from restore.networks.fast import RowStrips, WholeMaps, optimise
from restore.networks.fast import triton_kernels as kernels
from restore.networks.fast.mixing import FastAxisGmlp
from restore.networks.fast.triton_kernels import WIDEST, TritonAxisGmlp, fuse
from restore.networks.maxim.mixing import AxisGmlp
from restore.networks.token_views import BlockView, GridView, TokenView

DEVICE = torch.device("cpu" if os.environ.get("TRITON_INTERPRET") == "1" else "cuda")
# Kernels round less often than the plain layer, but the interpreter cuts digits off.
NEAR = {torch.float32: 1e-5, torch.float16: 2e-3, torch.bfloat16: 2e-2}
BLOCKS, GRIDS = BlockView((8, 8)), GridView((8, 8))
FENCE = 1000
Shape = tuple[int, int, int]


@pytest.fixture(autouse=True)
def inference() -> Iterator[None]:
    create_dot = interpreter.InterpreterBuilder.create_dot

    def of_numbers(builder: Any, a: Any, b: Any, *rest: Any) -> Any:
        # The interpreter keeps bfloat16 as whole numbers, and would multiply those.
        if a.dtype.scalar == tl.bfloat16:
            a, b = (builder.create_fp_ext(x, tl.float32) for x in (a, b))
        return create_dot(builder, a, b, *rest)

    # On a GPU plain layers and convolutions would round float32 to TF32.
    torch.set_float32_matmul_precision("highest")
    exact = torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
    with pytest.MonkeyPatch.context() as patch, torch.inference_mode(), exact:
        patch.setattr(interpreter.InterpreterBuilder, "create_dot", of_numbers)
        yield


def layer(channels: int, view: TokenView, bias: bool = True, factor: int = 2) -> FastAxisGmlp:
    """Build a layer whose every parameter affects the result."""
    plain = AxisGmlp(channels, factor, view, bias).requires_grad_(False)
    generator = torch.Generator().manual_seed(0)
    for parameter in plain.parameters():
        parameter.normal_(0, parameter.shape[-1] ** -0.5, generator=generator)
    plain.norm.weight += 1
    plain.gate.norm.weight += 1
    return FastAxisGmlp(plain)


def pixels(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


def check(
    plain: FastAxisGmlp, x: Tensor, window: Pair | None = None, dtype: torch.dtype = torch.float32
) -> None:
    """Compare the kernels with the torch layer in float32, on the same numbers."""
    plain, x = plain.to(DEVICE, dtype), x.to(DEVICE, dtype)
    before = x.clone()
    result = TritonAxisGmlp(plain)(x, window)
    assert torch.equal(x, before)
    assert (result.dtype, result.is_contiguous()) == (dtype, True)
    expected = plain.cpu().float()(x.cpu().float(), window)
    near = NEAR[dtype] * float(expected.abs().max())
    torch.testing.assert_close(result.cpu().float(), expected, rtol=0, atol=near)


@pytest.mark.parametrize(
    ("view", "window"), [(BLOCKS, None), (BLOCKS, (16, 8)), (GRIDS, None), (GRIDS, (16, 8))]
)
def test_pictures_of_blocks_grids_and_windows(view: TokenView, window: Pair | None) -> None:
    check(layer(48, view), pixels(2, 16, 16, 48), window)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("view", [BLOCKS, GRIDS])
def test_half_precision_formats(view: TokenView, dtype: torch.dtype) -> None:
    check(layer(48, view), pixels(1, 16, 16, 48), dtype=dtype)


@pytest.mark.parametrize(
    ("view", "channels", "shape", "window"),
    [
        (BlockView((16, 16)), 32, (1, 16, 32), None),
        (GridView((16, 16)), 24, (1, 32, 16), None),
        (GridView((4, 2)), 20, (3, 24, 12), (8, 6)),  # 8 tokens
        (GridView((3, 5)), 20, (2, 12, 20), (6, 10)),  # 15
        (BlockView((6, 3)), 130, (2, 6, 9), None),  # 18
        (BlockView((5, 14)), 4, (1, 10, 14), None),  # 70: the last tile is not full
        (GridView((1, 1)), 1, (2, 3, 5), None),
        (BlockView((2, 3)), 1, (1, 4, 3), None),
    ],
    ids=str,
)
def test_groups_of_any_size(
    view: TokenView, channels: int, shape: Shape, window: Pair | None
) -> None:
    check(layer(channels, view), pixels(*shape, channels), window)


@pytest.mark.parametrize("factor", [1, 6])
def test_inner_widths_and_no_biases(factor: int) -> None:
    check(layer(20, GRIDS, bias=False, factor=factor), pixels(1, 16, 8, 20))


def fenced(values: Tensor) -> Tensor:
    """Copy values into the middle of memory that must not be used."""
    memory = values.new_full((values.numel() + 2 * FENCE,), torch.nan)
    memory[FENCE:-FENCE] = values.flatten()
    return memory[FENCE:-FENCE].view(values.shape)


@pytest.mark.parametrize("view", [BlockView((3, 5)), GridView((3, 5))])
def test_memory_around_is_neither_read_nor_written(
    view: TokenView, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = layer(20, view).to(DEVICE)
    for parameter in plain.parameters():
        parameter.data = fenced(parameter.data)
    made, usual = list[Tensor](), Tensor.new_empty

    def new_empty(x: Tensor, *shape: int, **options: Any) -> Tensor:
        if options:  # the interpreter's own
            return usual(x, *shape, **options)
        made.append(fenced(torch.full(shape, torch.nan, dtype=x.dtype, device=x.device)))
        return made[-1]

    x = fenced(pixels(1, 6, 10, 20).to(DEVICE))
    with monkeypatch.context() as patch:
        patch.setattr(Tensor, "new_empty", new_empty)
        result = TritonAxisGmlp(plain)(x)
    torch.testing.assert_close(result, plain(x), rtol=0, atol=1e-5)
    assert len(made) == 3
    for values in made:
        memory = values.as_strided((values.numel() + 2 * FENCE,), (1,), 0)
        assert int(memory.isfinite().sum()) == values.numel()
        assert values.isfinite().all()


@pytest.mark.parametrize(("half", "dtype"), [(0, torch.float32), (1, torch.bfloat16)])
def test_a_map_may_be_a_part_of_another(half: int, dtype: torch.dtype) -> None:
    around = torch.full((2, 8, 18, 2 * 20), torch.nan)
    around[:, :, :, 20 * half : 20 * (half + 1)] = pixels(2, 8, 18, 20)
    x = around.to(DEVICE, dtype).chunk(2, dim=-1)[half]
    for part in (x, x[:, :, :6], x.transpose(1, 2)[:, 2:]):
        check(layer(20, BlockView((4, 2))), part, dtype=dtype)
    check(layer(40, BlockView((4, 2))), pixels(1, 40, 8, 4).to(DEVICE).transpose(1, 3))


@pytest.mark.parametrize(("view", "window"), [(BLOCKS, None), (GRIDS, None), (GRIDS, (12, 16))])
def test_maps_that_are_not_whole_groups_are_refused(view: TokenView, window: Pair | None) -> None:
    with pytest.raises(RuntimeError, match="don't multiply up"):
        TritonAxisGmlp(layer(16, view).to(DEVICE))(pixels(1, 12, 16, 16).to(DEVICE), window)


def test_the_network_keeps_its_parameters() -> None:
    plain = tiny_network().to(DEVICE)
    before = dict(plain.state_dict(keep_vars=True))
    network = optimise(plain)
    assert fuse(network) is network
    after = network.state_dict(keep_vars=True)
    assert after.keys() == before.keys()
    assert all(after[name] is before[name] for name in before)
    layers = [module for module in network.modules() if isinstance(module, FastAxisGmlp)]
    assert layers
    assert all(isinstance(layer, TritonAxisGmlp) for layer in layers)


def test_layers_too_wide_for_a_tile_stay_plain() -> None:
    network = optimise(tiny_network())
    network.wide, network.wider = (
        FastAxisGmlp(AxisGmlp(4, inner // 2, BLOCKS, False)) for inner in (WIDEST, WIDEST + 2)
    )
    fuse(network)
    assert type(network.wide) is TritonAxisGmlp
    assert type(network.wider) is FastAxisGmlp


@pytest.mark.parametrize("walk", [WholeMaps(), RowStrips(512, (2, 1))])
def test_a_network_computes_the_same(walk: WholeMaps) -> None:
    side = MULTIPLE * walk.windows[0]
    x = torch.rand(1, 3, side, MULTIPLE, generator=torch.Generator().manual_seed(2))
    expected = optimise(tiny_network())(x, walk)
    result = fuse(optimise(tiny_network().to(DEVICE)))(x.to(DEVICE), walk).cpu()
    assert (result - x).abs().max() > 0.01
    torch.testing.assert_close(result, expected, rtol=0, atol=1e-5)


def both_views(dtype: torch.dtype = torch.float32, out: float = 1.0) -> nn.Module:
    """Build a layer of blocks and one of grids; ``out`` scales what they add to a map."""
    layers = [layer(8, view).to(DEVICE, dtype) for view in (BlockView((2, 3)), GridView((2, 3)))]
    for plain in layers:
        for parameter in plain.out_project.parameters():
            parameter.mul_(out)
    return nn.ModuleList(map(TritonAxisGmlp, layers))


@pytest.mark.parametrize("dtype", kernels.NEAR, ids=str)
def test_correct_layers_pass_the_check(dtype: torch.dtype) -> None:
    kernels.check(both_views(dtype))


def test_correct_layers_with_small_changes_pass_the_check() -> None:
    kernels.check(both_views(out=0.001))


@pytest.mark.parametrize(
    ("view", "windowed", "factor"),
    [
        (BlockView, False, 0.01),
        (BlockView, True, 0.01),
        (GridView, False, 0.01),
        (GridView, True, 0.01),
        (GridView, True, torch.nan),
    ],
)
def test_a_wrong_layer_is_found_even_if_its_change_is_small(
    view: type[TokenView], windowed: bool, factor: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(layer: TritonAxisGmlp, x: Tensor, window: Pair | None = None) -> Tensor:
        y = FastAxisGmlp.forward(layer, x, window)  # the kernels would take long, and find no more
        if isinstance(layer.gate.view, view) and (window is not None) == windowed:
            y[1] += factor * (y[1] - x[1])
        return y

    network = both_views(out=0.001)
    monkeypatch.setattr(TritonAxisGmlp, "forward", wrong)
    with pytest.raises(ArithmeticError, match=rf"\A{view.__name__} of 2 x 3, \d+ channels: off by"):
        kernels.check(network)


def test_one_layer_of_each_kind_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    network = nn.ModuleList(
        TritonAxisGmlp(layer(channels, view).to(DEVICE))
        for view in (GridView((4, 4)), BlockView((4, 4)), GridView((4, 2)), GridView((4, 4)))
        for channels in (4, 8)
    )
    seen: list[tuple[Any, ...]] = []

    def noted(layer: TritonAxisGmlp, x: Tensor, window: Pair | None = None) -> Tensor:
        view = layer.gate.view
        seen.append((type(view), view.size, x.shape[3], window is None))
        return FastAxisGmlp.forward(layer, x, window)

    monkeypatch.setattr(TritonAxisGmlp, "forward", noted)
    kernels.check(network)
    assert len(seen) == len(set(seen)) == 3 * 2 * 2
