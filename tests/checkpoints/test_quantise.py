from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from models import save_model
from safetensors.torch import load_file, save_file
from torch import nn

from restore.checkpoints import weights
from restore.checkpoints.card import Card, read_card
from restore.checkpoints.quantise import LEVELS, SCALE, expand, quantise
from restore.errors import CheckpointError
from restore.files import sha256_of

SHAPES = hnp.array_shapes(min_dims=2, max_dims=4, max_side=7)
VALUES = st.floats(-100, 100, width=32, allow_nan=False)


def holding(weight: torch.Tensor) -> nn.Module:
    module = nn.Module()
    module.weight = nn.Parameter(weight)
    return module


def there_and_back(network: nn.Module) -> torch.Tensor:
    stored = quantise(network)
    return expand(stored["weight"], stored["weight" + SCALE])


@given(hnp.arrays(np.float32, SHAPES, elements=VALUES))
def test_root_mean_square_error_is_at_most_a_step(values: np.ndarray) -> None:
    tensor = torch.from_numpy(values)
    stored = quantise(holding(tensor))
    assert stored["weight"].dtype == torch.int8
    assert stored["weight" + SCALE].dtype == torch.float16
    restored = there_and_back(holding(tensor))
    assert restored.shape == tensor.shape
    step = tensor.abs().max() / LEVELS
    assert (restored - tensor).square().mean().sqrt() <= step + 1e-4


def test_channels_have_scales_of_their_own() -> None:
    weight = torch.tensor([[1000.0, -500.0], [0.001, 0.002]])
    torch.testing.assert_close(there_and_back(holding(weight)), weight, rtol=0.01, atol=0)


def test_scales_of_transposed_convolutions_are_of_output_channels() -> None:
    convolution = nn.ConvTranspose2d(4, 3, 2)
    with torch.no_grad():
        convolution.weight.mul_(torch.tensor([1.0, 1000.0, 0.01])[:, None, None])
    stored = quantise(convolution)
    assert stored["weight" + SCALE].shape == (1, 3, 1, 1)
    close = there_and_back(convolution).div(convolution.weight.detach()) - 1
    assert close.abs().median() < 0.02


def test_offsets_and_norms_are_float16() -> None:
    stored = quantise(nn.LayerNorm(2))
    assert {name: tensor.dtype for name, tensor in stored.items()} == {
        "weight": torch.float16,
        "bias": torch.float16,
    }


def test_outliers_cost_less_than_with_the_largest_as_the_end() -> None:
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(8, 4096, generator=generator)
    error = (there_and_back(holding(weight)) - weight).square().mean()
    plain = weight.abs().amax(dim=1, keepdim=True) / LEVELS
    assert error < ((weight / plain).round() * plain - weight).square().mean()


def test_a_quantised_model_is_smaller_and_loads(tmp_path: Path) -> None:
    source = save_model(tmp_path, task="deblur")
    network = weights.load(source)
    small = tmp_path / "small.safetensors"
    weights.save(network, read_card(source), small, dtype=torch.int8)
    assert small.stat().st_size < 0.7 * source.stat().st_size  # half of it is names and shapes
    for name, value in weights.load(small).state_dict().items():
        assert value.dtype == torch.float32
        largest = network.state_dict()[name].abs().max()
        assert (value - network.state_dict()[name]).abs().max() <= 0.32 * largest + 1e-3


def test_wrong_scales_are_named(tmp_path: Path) -> None:
    source = save_model(tmp_path, task="deblur")
    path = tmp_path / "small.safetensors"
    card = weights.save(weights.load(source), read_card(source), path, dtype=torch.int8)
    tensors = load_file(path)
    name = next(name for name in tensors if name.endswith(SCALE))
    for wrong in (tensors[name].flatten()[:1], tensors[name].to(torch.int32)):
        save_file({**tensors, name: wrong.contiguous()}, path)
        with pytest.raises(CheckpointError, match="expected int8 and floats"):
            weights.load(path, _vouching(card, path))
    save_file({k: v for k, v in tensors.items() if k != name}, path)
    with pytest.raises(CheckpointError, match="not floats"):
        weights.load(path, _vouching(card, path))


def _vouching(card: Card, path: Path) -> Card:
    return replace(card, sha256=sha256_of(path))
