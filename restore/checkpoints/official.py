"""The official JAX/Flax parameters: their names, their shapes, and a strict builder.

A parameter is named ``<module path>/<leaf>``, regardless of the file layout.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from restore.checkpoints import npz, tfjs
from restore.checkpoints import weights as model_files
from restore.checkpoints.npz import PREFIX
from restore.errors import CheckpointError
from restore.networks.maxim import MaximConfig
from restore.networks.maxim.blocks import (
    BottleneckBlock,
    ChannelAttentionBlock,
    ConvFusion,
    CrossGatingBlock,
    DecoderBlock,
    DenseChannelAttentionBlock,
    EncoderBlock,
    MixingGroup,
    MultiAxisBlock,
    SupervisedAttention,
)
from restore.networks.maxim.layers import ChannelAttention, Conv, Dense, Grow, LayerNorm, Resample
from restore.networks.maxim.mixing import (
    AxisGmlp,
    GatingUnit,
    MultiAxisGating,
    SpatialMix,
)
from restore.networks.maxim.network import Maxim
from restore.networks.maxim.stage import Gather, Stage
from restore.networks.token_views import GridView

Arrays = Mapping[str, np.ndarray]

# Our class -> {our attribute: official name}. What depends on a number or on the parent is in
# `_children`.
_NAMES: Mapping[type, Mapping[str, str]] = {
    Resample: {"conv": "Conv_0"},
    ChannelAttention: {"squeeze": "Conv_0", "excite": "Conv_1"},
    GatingUnit: {"norm": "intermediate_layernorm", "mix": "Dense_0"},
    MultiAxisBlock: {
        "norm": "LayerNorm_in",
        "in_project": "in_project",
        "grid_gmlp": "GridGmlpLayer",
        "block_gmlp": "BlockGmlpLayer",
        "out_project": "out_project",
    },
    MultiAxisGating: {
        "norm": "LayerNorm_in",
        "in_project": "in_project",
        "grid_mix": "Dense_0",
        "block_mix": "Dense_1",
        "out_project": "out_project",
    },
    ChannelAttentionBlock: {
        "norm": "LayerNorm",
        "conv1": "conv1",
        "conv2": "conv2",
        "attention": "channel_attention",
    },
    DenseChannelAttentionBlock: {
        "norm": "LayerNorm",
        "dense1": "channel_mixing/Dense_0",
        "dense2": "channel_mixing/Dense_1",
        "attention": "channel_attention",
    },
    CrossGatingBlock: {
        "grow": "ConvTranspose_0",
        "conv_x": "Conv_0",
        "conv_y": "Conv_1",
        "norm_x": "LayerNorm_x",
        "norm_y": "LayerNorm_y",
        "in_project_x": "in_project_x",
        "in_project_y": "in_project_y",
        "gating_x": "SplitHeadMultiAxisGating_x",
        "gating_y": "SplitHeadMultiAxisGating_y",
        "out_project_x": "out_project_x",
        "out_project_y": "out_project_y",
    },
    EncoderBlock: {"conv": "Conv_0", "fuse": "cross_gating_block", "down": "Conv_1"},
    DecoderBlock: {"grow": "ConvTranspose_0", "block": "UNetEncoderBlock_0"},
    BottleneckBlock: {"conv": "input_proj"},
    SupervisedAttention: {
        "conv_features": "Conv_0",
        "conv_image": "Conv_1",
        "conv_gate": "Conv_2",
    },
}


def official_modules(model: Maxim) -> dict[str, nn.Module]:
    """Return every module that has an official name, by its official path ("a/b/c")."""
    modules: dict[str, nn.Module] = {}

    def visit(path: str, module: nn.Module) -> None:
        modules[path] = module
        for name, child in _children(module):
            visit(f"{path}/{name}", child)

    for name, module in _top_level(model):
        visit(name, module)
    return modules


def _top_level(model: Maxim) -> Iterator[tuple[str, nn.Module]]:
    # Flax numbers unnamed modules in the order of their creation over the whole network.
    ratios, convs = count(), count()
    for s, stage in enumerate(model.stages):
        assert isinstance(stage, Stage)
        numbered: dict[str, Iterable[nn.Module]] = {
            "input_conv": stage.input_convs,
            "input_fuse_sam": [m for m in stage.input_fusions if isinstance(m, CrossGatingBlock)],
            "input_catconv": [m for m in stage.input_fusions if isinstance(m, Dense)],
            "encoder_block": stage.encoders,
            "global_block": stage.bottleneck,
            "decoder_block": stage.decoders,
            "supervised_attention_module": stage.attentions,
            "output_conv": stage.output_convs,
        }
        for name, modules in numbered.items():
            for i, module in enumerate(modules):
                yield f"stage_{s}_{name}_{i}", module
        for i in reversed(range(model.config.depth)):
            for resample in _resamples(stage.bridge_gathers[i]):
                yield f"UpSampleRatio_{next(ratios)}", resample
            fusion = stage.skip_fusions[i]
            if isinstance(fusion, ConvFusion):
                yield f"Conv_{next(convs)}", fusion.conv1x1
                yield f"Conv_{next(convs)}", fusion.conv3x3
            else:
                yield f"stage_{s}_cross_gating_block_{i}", fusion
        for i in reversed(range(model.config.depth)):
            for resample in _resamples(stage.skip_gathers[i]):
                yield f"UpSampleRatio_{next(ratios)}", resample


def _resamples(gather: nn.Module) -> Iterable[nn.Module]:
    assert isinstance(gather, Gather)
    return gather.resamples


def _children(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    for attribute, name in _NAMES.get(type(module), {}).items():
        child = getattr(module, attribute)
        if child is not None:
            yield name, child
    if isinstance(module, AxisGmlp):
        axis = "Grid" if isinstance(module.gate.view, GridView) else "Block"
        yield "LayerNorm", module.norm
        yield "in_project", module.in_project
        yield f"{axis}GatingUnit", module.gate
        yield "out_project", module.out_project
    if isinstance(module, EncoderBlock | BottleneckBlock):
        attention = "channel_attention_block_1" + (
            "_" if isinstance(module, BottleneckBlock) else ""
        )
        for g, group in enumerate(module.groups):
            assert isinstance(group, MixingGroup)
            if group.multi_axis is not None:
                yield f"SplitHeadMultiAxisGmlpLayer_{g}", group.multi_axis
            yield f"{attention}{g}", group.attention


def read(path: Path) -> dict[str, np.ndarray]:
    """Read the parameters of an ``.npz``, of a ``.tgz``, or of a folder with ``model.json``.

    Returns arrays by official name, without `PREFIX`. Raises `CheckpointError`.
    """
    if path.is_dir() or path.name.endswith((".tgz", ".tar.gz")):
        return tfjs.read(path)
    if path.name == "model.json":
        return tfjs.read(path.parent)
    return npz.read(path)


def load(path: str | Path, config: MaximConfig) -> Maxim:
    """Read an official checkpoint of either layout into a `Maxim`, as `read` and `build` do."""
    return build(read(Path(path)), config, str(path))


def build(arrays: Arrays, config: MaximConfig, source: str) -> Maxim:
    """Build a float32 `Maxim` on the CPU from official parameters.

    Every parameter is required, with its shape. Only the coarse outputs of the last stage may be
    absent, all together, since inference never reads them; they become zeros. Raises
    `CheckpointError` naming a missing, extra or misshapen array, after ``source``.
    """
    if config.stem_factor != 1:
        raise CheckpointError(f"{source}: official checkpoints have no stem; stem_factor must be 1")
    with torch.device("meta"):
        model = Maxim(config)
    wanted = _official_parameters(model)
    unread = model_files.unread(model)
    absent = {name for name, (key, _, _) in wanted.items() if key in unread}
    if absent & arrays.keys():
        absent = set()
    missing = sorted(wanted.keys() - arrays.keys() - absent)
    extra = sorted(arrays.keys() - wanted.keys())
    for what, names in (("is missing", missing), ("does not belong to this network:", extra)):
        if names:
            more = f" (and {len(names) - 1} more)" if len(names) > 1 else ""
            raise CheckpointError(f"{source}: {what} {PREFIX}{names[0]}{more}")
    ours = model.state_dict()
    state: dict[str, Tensor] = {}
    for name, (key, module, shapes) in wanted.items():
        if name in absent:
            state[key] = torch.zeros(ours[key].shape)
            continue
        array = arrays[name]
        if array.shape not in shapes:
            raise CheckpointError(
                f"{source}: {PREFIX}{name} has shape {array.shape}, expected {shapes[0]}"
            )
        if not np.issubdtype(array.dtype, np.floating):
            raise CheckpointError(f"{source}: {PREFIX}{name} is {array.dtype}, expected float32")
        state[key] = _to_torch(module, name, array)
    model.load_state_dict(state, assign=True)
    return model.eval().requires_grad_(False)


def official_shapes(model: Maxim) -> dict[str, tuple[int, ...]]:
    """Return the official name of every parameter (without `PREFIX`) with its official shape.

    A matrix that may be a Flax Dense or a 1x1 convolution has the shape of the Dense.
    """
    return {name: shapes[0] for name, (_, _, shapes) in _official_parameters(model).items()}


def _official_parameters(
    model: Maxim,
) -> dict[str, tuple[str, nn.Module, tuple[tuple[int, ...], ...]]]:
    """Map official names to our state key, the owning module, and the accepted shapes."""
    keys = {id(module): path for path, module in model.named_modules()}
    wanted = {}
    for path, module in official_modules(model).items():
        for leaf, parameter in module.named_parameters(recurse=False):
            name = leaf
            shapes: tuple[tuple[int, ...], ...] = (tuple(parameter.shape),)
            if leaf == "weight":
                name = "scale" if isinstance(module, LayerNorm) else "kernel"
                shapes = _kernel_shapes(module, tuple(parameter.shape))
            wanted[f"{path}/{name}"] = (f"{keys[id(module)]}.{leaf}", module, shapes)
    return wanted


def _kernel_shapes(module: nn.Module, ours: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    if isinstance(module, Conv):
        return ((*ours[2:], ours[1], ours[0]),)
    if isinstance(module, Grow):
        return ((*ours[2:], ours[0], ours[1]),)
    if isinstance(module, Dense):  # a Flax Dense or a 1x1 convolution, by turns
        return (ours[::-1], (1, 1, *ours[::-1]))
    return (ours[::-1],)


def _to_torch(module: nn.Module, name: str, array: np.ndarray) -> Tensor:
    if name.endswith("/kernel"):
        if isinstance(module, Conv):
            array = array.transpose(3, 2, 0, 1)
        elif isinstance(module, Grow):
            array = array[::-1, ::-1].transpose(2, 3, 0, 1)
        elif isinstance(module, Dense | SpatialMix):
            array = array.reshape(array.shape[-2:]).T
    return torch.from_numpy(np.array(array, dtype=np.float32, order="C"))
