"""MaxViT is MaxViT: timm's network with the same weights gives the same logits."""

from __future__ import annotations

import pytest
import timm
import torch
from torch.utils.flop_counter import FlopCounterMode

from restore.errors import ConfigError, SizeError
from restore.networks.maxvit import VARIANTS, MaxvitConfig
from restore.networks.maxvit.network import Maxvit
from restore.networks.maxvit.timm_names import from_timm

SMALL = MaxvitConfig(8, (8, 16), (1, 2), block=4, grid=4, head=8, hidden=16, outputs=3)


def pretended(seed: int) -> torch.nn.Module:
    """timm's network with drawn weights, statistics and position biases, none of them trivial."""
    generator = torch.Generator().manual_seed(seed)
    network = timm.create_model("maxvit_tiny_tf_224").eval()
    for name, tensor in network.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 1.5, generator=generator)
        elif name.endswith(("bias", "running_mean", "bias_table")):
            tensor.normal_(0, 0.1, generator=generator)
        elif tensor.ndim == 1:
            tensor.uniform_(0.5, 1.5, generator=generator)
        elif tensor.ndim:
            tensor.normal_(0, tensor[0].numel() ** -0.5, generator=generator)
    return network


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_logits_equal_those_of_timm(seed: int) -> None:
    theirs = pretended(seed)
    ours = Maxvit(VARIANTS["maxvit-tiny"]).eval()
    ours.load_state_dict(from_timm(theirs.state_dict()))
    images = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        expected, found = theirs(images), ours(images)
    assert expected.std() > 0.1
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["maxvit_small_tf_224", "maxvit_base_tf_224"])
def test_other_published_shapes_load(name: str) -> None:
    with torch.device("meta"):
        theirs = timm.create_model(name).state_dict()
        ours = Maxvit(VARIANTS[name.removesuffix("_tf_224").replace("_", "-")]).state_dict()
    renamed = from_timm(theirs)
    assert {k: v.shape for k, v in renamed.items()} == {k: v.shape for k, v in ours.items()}


def test_operations_are_linear_in_pixels() -> None:
    network = Maxvit(SMALL).eval()
    operations = []
    for height, width in ((32, 32), (64, 32), (128, 96)):
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            network(torch.zeros(1, 3, height, width))
        operations.append(counter.get_total_flops() / (height * width))
    # All but the classifier and the weights of channels, which see one mean per image.
    assert max(operations) < 1.01 * min(operations)


def test_far_pixels_are_seen() -> None:
    """Grid attention connects the corners of an image in one block."""
    torch.manual_seed(0)
    block = Maxvit(SMALL).eval().stages[0][0].grid
    x = torch.randn(1, 32, 32, 8, requires_grad=True)
    block(x)[0, 0, 0].sum().backward()
    assert x.grad is not None
    assert x.grad[0, 24, 24].abs().max() > 0
    assert x.grad[0, 1, 1].abs().max() == 0


def test_sizes() -> None:
    assert VARIANTS["maxvit-tiny"].size_multiple == (224, 224)
    assert SMALL.size_multiple == (32, 32)
    with pytest.raises(SizeError, match="multiple of 32"):
        Maxvit(SMALL)(torch.zeros(1, 3, 32, 40))


@pytest.mark.parametrize(
    ("fields", "said"), [({"depths": (1,)}, "depths"), ({"channels": (8, 12)}, "heads have 8")]
)
def test_wrong_shapes_are_named(fields: dict[str, tuple[int, ...]], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        MaxvitConfig(**{"channels": (8, 16), "depths": (1, 1), "head": 8} | fields)
