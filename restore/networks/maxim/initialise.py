"""Fresh weights for training from scratch."""

from __future__ import annotations

import math

import torch
from torch import nn

from restore.networks.maxim.blocks import (
    ChannelAttentionBlock,
    DenseChannelAttentionBlock,
    MultiAxisBlock,
    SupervisedAttention,
)
from restore.networks.maxim.layers import Dense, LayerNorm
from restore.networks.maxim.mixing import AxisGmlp, MultiAxisGating, SpatialMix
from restore.networks.maxim.network import Maxim
from restore.networks.maxim.stage import Stage

# Flax draws LeCun-normal weights from a normal truncated at two sigma, widened so that the
# variance is 1 / fan_in all the same.
TRUNCATED_STD = 0.87962566103423978
GMLP_STD = 0.02

Linear = Dense | nn.Conv2d | nn.ConvTranspose2d


def initialise(model: Maxim, generator: torch.Generator, quiet_branches: bool = True) -> None:
    """Draw the official initialisation in place.

    Normal(0.02) for the dense layers of the gMLPs and for every spatial mix, LeCun normal for
    the other dense layers and convolutions; biases zero, except ones for the spatial mixes of the
    cross-gating. ``quiet_branches`` is our addition: the last layer of each residual branch and
    the layers that make images start at zero. Training then begins at the identity and converges
    faster.
    """
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, LayerNorm):
                nn.init.ones_(module.weight)
                nn.init.zeros_(module.bias)
            elif isinstance(module, Linear):
                _lecun_normal(module, generator)
            elif isinstance(module, SpatialMix):
                module.weight.normal_(0, GMLP_STD, generator=generator)
                _zero_bias(module)
        for module in model.modules():
            if isinstance(module, AxisGmlp):
                for dense in (module.in_project, module.out_project):
                    dense.weight.normal_(0, GMLP_STD, generator=generator)
            elif isinstance(module, MultiAxisGating):
                for mix in (module.grid_mix, module.block_mix):
                    if mix.bias is not None:
                        nn.init.ones_(mix.bias)
        if quiet_branches:
            for last in _branch_ends(model):
                nn.init.zeros_(last.weight)


def _branch_ends(model: Maxim) -> list[Dense | nn.Conv2d]:
    ends: list[Dense | nn.Conv2d] = []
    for module in model.modules():
        if isinstance(module, AxisGmlp | MultiAxisBlock):
            ends.append(module.out_project)
        elif isinstance(module, ChannelAttentionBlock):
            ends.append(module.conv2)
        elif isinstance(module, DenseChannelAttentionBlock):
            ends.append(module.dense2)
        elif isinstance(module, SupervisedAttention):
            ends.append(module.conv_image)
        elif isinstance(module, Stage):
            ends.extend(conv for conv in module.output_convs if isinstance(conv, nn.Conv2d))
    return ends


def _lecun_normal(module: Linear, generator: torch.Generator) -> None:
    weight = module.weight
    # A transposed convolution stores (in, out, h, w); with stride = kernel each output pixel
    # reads one tap, but Flax counts all of them as fan-in.
    inputs = weight.shape[0] if isinstance(module, nn.ConvTranspose2d) else weight.shape[1]
    fan_in = inputs * math.prod(weight.shape[2:])
    std = 1 / math.sqrt(fan_in) / TRUNCATED_STD
    nn.init.trunc_normal_(weight, 0, std, -2 * std, 2 * std, generator=generator)
    _zero_bias(module)


def _zero_bias(module: Linear | SpatialMix) -> None:
    if module.bias is not None:
        nn.init.zeros_(module.bias)
