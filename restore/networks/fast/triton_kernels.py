"""The axis gMLP in two Triton kernels, for CUDA GPUs.

Plain torch passes over memory for nearly every step of that layer, some twenty times. Here the
first kernel reads a map and writes two, and the second reads three and writes one. Checked on CPUs,
in Triton's interpreter: no GPU has run it yet, and the sizes of tiles are not tuned. `check` says
whether a machine computes it correctly.

Maps are matrices, pixels x channels, with all images one below the other. A group is the tokens
that one matrix mixes: as many rows and columns apart as a grid's cells are long, or 1 in a block.
Sums are float32, and no float32 is rounded to TF32.
"""

from __future__ import annotations

import copy

import torch
import triton
from torch import Tensor, nn
from triton import language as tl

from restore.networks.architecture import Pair
from restore.networks.fast.mixing import FastAxisGmlp
from restore.networks.fast.windows import split, token_distance, tokens_first

WIDEST = 512
"""The most channels whose tile fits into the memory of every GPU's processors."""
NEAR = {torch.float32: 1e-4, torch.float16: 5e-3, torch.bfloat16: 3e-2}
"""Largest error of a result, as a fraction of the largest change that a layer makes."""
_LEAST = 16
"""Sides of the smallest matrix product there is."""
_DEPTH = 32


def fuse(network: nn.Module) -> nn.Module:
    """Swap the axis gMLPs of an optimised network for the kernels here, and return the network.

    Parameters and their names stay. Layers of more than `WIDEST` channels are not swapped.
    """
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, FastAxisGmlp) and max(child.out_project.weight.shape) <= WIDEST:
                setattr(module, name, TritonAxisGmlp(child))
    return network


def check(network: nn.Module) -> None:
    """Compare the layers with the same ones in torch and in float64: one for each view, size of
    its groups, and widths.

    The input of each is noise, in the precision of its parameters: two maps of 4 x 6 groups, first
    whole, then with grids confined to 2 x 2 windows. Raises `ArithmeticError` where the error
    of a result is more than `NEAR` of the change that the layer makes, rounding of the result
    apart; and Triton's own errors where it cannot compile or run a kernel.
    """
    layers = [layer for layer in network.modules() if isinstance(layer, TritonAxisGmlp)]
    kinds = {
        (type(layer.gate.view), layer.gate.view.size, layer.out_project.weight.shape): layer
        for layer in layers
    }
    for layer in kinds.values():
        _compare(layer)


@torch.no_grad()
def _compare(layer: TritonAxisGmlp) -> None:
    weight, view = layer.out_project.weight, layer.gate.view
    (channels, _), (h, w) = weight.shape, view.size
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(2, 4 * h, 6 * w, 2 * channels, generator=generator).to(weight)
    exact = copy.deepcopy(layer).double()
    # In the network, a map is one half of the channels of a wider one.
    for x, window in zip(noise.chunk(2, dim=-1), (None, (2 * h, 3 * w)), strict=True):
        expected = FastAxisGmlp.forward(exact, x.double(), window)
        off = (layer(x, window) - expected).abs().max()
        added = (expected - x).abs().max()
        rounding = torch.finfo(x.dtype).eps * expected.abs().max()
        if not off <= NEAR[x.dtype] * added + rounding:  # nor NaN
            raise ArithmeticError(
                f"{type(view).__name__} of {h} x {w}, {channels} channels: "
                f"off by {float(off):.1e} where {float(added):.1e} is added"
            )


class TritonAxisGmlp(FastAxisGmlp):
    """The same layer, with the same parameters, in float32, bfloat16 or float16, without
    gradients."""

    def __init__(self, layer: FastAxisGmlp):
        nn.Module.__init__(self)  # the parts of the layer are shared
        self.norm = layer.norm
        self.in_project = layer.in_project
        self.gate = layer.gate
        self.out_project = layer.out_project

    def forward(self, x: Tensor, window: Pair | None = None) -> Tensor:
        view = self.gate.view
        # Fails where groups are not whole: the kernels would read outside of the map.
        groups = tokens_first(view, split(view, x, window))[0, 0, ..., 0].numel()
        pixels = x.flatten(0, 2)  # without a copy, for a part of the channels as well
        if pixels.stride(1) != 1:
            pixels = pixels.contiguous()
        with torch.cuda.device_of(x):  # where Triton launches
            u, v = self._into_gates(pixels)
            distance = token_distance(view, x, window)
            y = self._mixed(pixels, u, v, groups, distance, x.shape[2])
        return y.view(x.shape)

    def _into_gates(self, x: Tensor) -> tuple[Tensor, Tensor]:
        channels, inner = self.out_project.weight.shape
        u, v = (x.new_empty(len(x), inner) for _ in range(2))
        tiles = gates_tiles(channels, inner, x.element_size())
        into_gates[(triton.cdiv(len(x), tiles["rows"]),)](
            *(x, u, v, self.norm.weight, self.norm.bias),
            *(self.in_project.weight, self.in_project.bias),
            *(self.gate.norm.weight, self.gate.norm.bias),
            *(len(x), x.stride(0), self.norm.eps),
            **tiles,
        )
        return u, v

    def _mixed(
        self, x: Tensor, u: Tensor, v: Tensor, groups: int, distance: Pair, width: int
    ) -> Tensor:
        channels, inner = self.out_project.weight.shape
        y = x.new_empty(len(x), channels)
        tiles = mix_tiles(self.gate.view.size, channels, inner, x.element_size())
        mix[(groups * tiles["parts"],)](
            *(x, u, v, y, self.gate.mix.weight, self.gate.mix.bias),
            *(self.out_project.weight, self.out_project.bias),
            *(x.stride(0), width, *distance),
            **tiles,
        )
        return y


def gates_tiles(channels: int, inner: int, bytes_a_value: int) -> dict[str, int]:
    """Constants that `into_gates` is compiled with; ``inner`` channels are mixed."""
    all_inner = _side(inner)
    return {
        "channels": channels,
        "inner": inner,
        "rows": _rows(all_inner, bytes_a_value),
        "all_channels": _side(channels),
        "all_inner": all_inner,
        "depth": min(_DEPTH, _side(channels), max(_LEAST, 8192 // all_inner)),
        **_options(all_inner),
    }


def mix_tiles(size: Pair, channels: int, inner: int, bytes_a_value: int) -> dict[str, int]:
    """Constants that `mix` is compiled with; ``size`` is that of a group, in tokens."""
    tokens, all_channels = size[0] * size[1], _side(channels)
    rows = min(_side(tokens), _rows(all_channels, bytes_a_value))
    return {
        "token_rows": size[0],
        "token_columns": size[1],
        "channels": channels,
        "inner": inner,
        "parts": triton.cdiv(tokens, rows),
        "rows": rows,
        "all_channels": all_channels,
        "some_inner": min(_side(inner), 128 // bytes_a_value),
        "depth": min(_DEPTH, _side(tokens)),
        **_options(all_channels),
    }


def _side(count: int) -> int:
    """Return the side of a tile for ``count`` numbers: Triton's are powers of two."""
    return max(_LEAST, triton.next_power_of_2(count))


def _rows(columns: int, bytes_a_value: int) -> int:
    # A tile of sums stays in registers; float32 is multiplied there as well, and needs more.
    return max(_LEAST, min(128 // bytes_a_value, 8192 // columns))


def _options(columns: int) -> dict[str, int]:
    # Triton 3.9 warns unless told whether products and sums may be one operation.
    return {"num_warps": 4 if columns <= 64 else 8, "enable_fp_fusion": True}


# Arguments of kernels are addresses, None for an absent tensor, and numbers; tl.constexpr arguments
# are compiled in. Rows and columns beyond those of a map or matrix are zeros.


@triton.jit
def _statistics(x, is_channel, channels: tl.constexpr, eps):
    """Mean of every row, and one by its standard deviation."""
    mean = tl.sum(x, axis=1)[:, None] / channels
    centred = tl.where(is_channel, x - mean, 0.0)
    variance = tl.sum(centred * centred, axis=1)[:, None] / channels
    return mean, 1 / tl.sqrt(variance + eps)


@triton.jit
def _gelu(x):
    # (1 + tanh(z)) / 2 is the logistic function of 2 z; the factor is 2 sqrt(2 / pi).
    return x / (1 + tl.exp(-1.5957691216057308 * (x + 0.044715 * x * x * x)))


@triton.jit
def _float32(x, mask):
    return tl.load(x, mask=mask, other=0.0).to(tl.float32)


@triton.jit(do_not_specialize=["count"])
def into_gates(
    x,
    u,
    v,
    norm_scale,
    norm_offset,
    weight,
    bias,
    gate_scale,
    gate_offset,
    count,
    stride,
    eps,
    channels: tl.constexpr,
    inner: tl.constexpr,
    rows: tl.constexpr,
    all_channels: tl.constexpr,
    all_inner: tl.constexpr,
    depth: tl.constexpr,
):
    """LayerNorm, dense layer and GELU: one half of the channels to ``u``, and the LayerNorm of the
    other to ``v``. A program computes ``rows`` of the ``count`` pixels."""
    pixel = (tl.program_id(0).to(tl.int64) * rows + tl.arange(0, rows))[:, None]
    is_pixel = pixel < count
    c = tl.arange(0, all_channels)[None, :]
    d = tl.arange(0, all_inner)[None, :]
    is_value = is_pixel & (d < inner)
    source = x + pixel * stride
    whole = _float32(source + c, is_pixel & (c < channels))
    mean, scale = _statistics(whole, c < channels, channels, eps)
    for half in tl.static_range(2):
        values = tl.zeros((rows, all_inner), tl.float32)
        for first in range(0, channels, depth):
            k = first + tl.arange(0, depth)[None, :]
            a = (_float32(source + k, is_pixel & (k < channels)) - mean) * scale
            a = a * _float32(norm_scale + k, k < channels)
            a = a + _float32(norm_offset + k, k < channels)
            k = first + tl.arange(0, depth)[:, None]
            b = weight + (half * inner + d) * channels + k
            b = tl.load(b, mask=(k < channels) & (d < inner), other=0.0)
            values = tl.dot(a.to(b.dtype), b, values, input_precision="ieee")
        if bias is not None:
            values += _float32(bias + half * inner + d, d < inner)
        values = _gelu(values)
        if half == 0:
            tl.store(u + pixel * inner + d, values, mask=is_value)
        else:
            gate_mean, gate_by = _statistics(values, d < inner, inner, eps)
            values = (values - gate_mean) * gate_by * _float32(gate_scale + d, d < inner)
            values += _float32(gate_offset + d, d < inner)
            tl.store(v + pixel * inner + d, values, mask=is_value)


@triton.jit(do_not_specialize=["width", "down", "across"])
def mix(
    x,
    u,
    v,
    y,
    mix_weight,
    mix_bias,
    weight,
    bias,
    stride,
    width,
    down,
    across,
    token_rows: tl.constexpr,
    token_columns: tl.constexpr,
    channels: tl.constexpr,
    inner: tl.constexpr,
    parts: tl.constexpr,
    rows: tl.constexpr,
    all_channels: tl.constexpr,
    some_inner: tl.constexpr,
    depth: tl.constexpr,
):
    """Mix, gate and dense layer, plus ``x``, to ``y``: maps ``width`` pixels wide. A program
    computes ``rows`` of a group's tokens, ``down`` rows and ``across`` columns apart."""
    tokens: tl.constexpr = token_rows * token_columns
    group = tl.program_id(0).to(tl.int64) // parts
    column, row = group % across, group // across % down
    window, windows = group // across // down, width // (token_columns * across)
    column += window % windows * token_columns * across
    row += window // windows * token_rows * down
    corner, step = row * width + column, down * width

    token = (tl.program_id(0) % parts * rows + tl.arange(0, rows))[:, None]
    is_token = token < tokens
    pixel = corner + token // token_columns * step + token % token_columns * across
    c = tl.arange(0, all_channels)[None, :]
    result = tl.zeros((rows, all_channels), tl.float32)
    for first in range(0, inner, some_inner):
        d = first + tl.arange(0, some_inner)[None, :]
        mixed = tl.zeros((rows, some_inner), tl.float32)
        for start in range(0, tokens, depth):
            k = start + tl.arange(0, depth)[None, :]
            a = mix_weight + token * tokens + k
            a = tl.load(a, mask=is_token & (k < tokens), other=0.0)
            k = start + tl.arange(0, depth)[:, None]
            b = corner + k // token_columns * step + k % token_columns * across
            b = tl.load(v + b * inner + d, mask=(k < tokens) & (d < inner), other=0.0)
            mixed = tl.dot(a, b, mixed, input_precision="ieee")
        if mix_bias is not None:
            mixed += _float32(mix_bias + token, is_token)
        a = _float32(u + pixel * inner + d, is_token & (d < inner)) * (1 + mixed)
        d = first + tl.arange(0, some_inner)[:, None]
        b = tl.load(weight + c * inner + d, mask=(c < channels) & (d < inner), other=0.0)
        result = tl.dot(a.to(b.dtype), b, result, input_precision="ieee")
    is_value = is_token & (c < channels)
    if bias is not None:
        result += _float32(bias + c, c < channels)
    result += _float32(x + pixel * stride + c, is_value)
    tl.store(y + pixel * channels + c, result, mask=is_value)
