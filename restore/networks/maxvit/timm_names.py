"""Names of timm's ``maxvit_*_tf`` checkpoints, converted to ours."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

_RENAMED = (
    ("stem.norm1.", "stem.norm."),
    (".blocks.", "."),
    (".conv.conv1_1x1.", ".conv.expand."),
    (".conv.norm1.", ".conv.expand_norm."),
    (".conv.conv2_kxk.", ".conv.depthwise."),
    (".conv.norm2.", ".conv.depthwise_norm."),
    (".conv.se.", ".conv.squeeze."),
    (".conv.conv3_1x1.", ".conv.project."),
    (".attn_block.", ".block."),
    (".attn_grid.", ".grid."),
    (".attn.qkv.", ".attention.qkv."),
    (".attn.proj.", ".attention.project."),
    (".attn.rel_pos.relative_position_bias_table", ".attention.positions.table"),
    (".mlp.fc1.", ".feed_forward.0."),
    (".mlp.fc2.", ".feed_forward.2."),
    ("head.norm.", "classifier.norm."),
    ("head.pre_logits.fc.", "classifier.hidden."),
    ("head.fc.", "classifier.outputs."),
)
"""Part of a name in timm, and ours."""


def from_timm(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a state dictionary of timm under the names of `Maxvit`."""
    return {_renamed(name): tensor for name, tensor in state.items()}


def _renamed(name: str) -> str:
    for theirs, ours in _RENAMED:
        name = name.replace(theirs, ours)
    return name
