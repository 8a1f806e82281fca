from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command import restore
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from restore import Restorer
from restore.checkpoints import store, weights
from restore.checkpoints.card import read_card
from restore.errors import CheckpointError, ConfigError
from restore.files import sha256_of
from restore.networks import initialise
from restore.networks.nafnet import VARIANTS, NafnetConfig
from restore.networks.nafnet.network import NafBlock, Nafnet

TINY = NafnetConfig(4, (1, 2), 1, (1, 1))


def published_shapes(
    width: int, encoders: list[int], middle: int, decoders: list[int]
) -> dict[str, list[int]]:
    """Names and shapes of the authors' checkpoints, spelled out."""
    shapes: dict[str, list[int]] = {}

    def add(name: str, *weight: int, bias: bool = True) -> None:
        shapes[f"{name}.weight"] = list(weight)
        if bias:
            shapes[f"{name}.bias"] = [weight[0]]

    def add_blocks(name: str, count: int, c: int) -> None:
        for block in (f"{name}.{i}" for i in range(count)):
            shapes[f"{block}.beta"] = shapes[f"{block}.gamma"] = [1, c, 1, 1]
            add(f"{block}.conv1", 2 * c, c, 1, 1)
            add(f"{block}.conv2", 2 * c, 1, 3, 3)
            add(f"{block}.conv3", c, c, 1, 1)
            add(f"{block}.sca.1", c, c, 1, 1)
            add(f"{block}.conv4", 2 * c, c, 1, 1)
            add(f"{block}.conv5", c, c, 1, 1)
            add(f"{block}.norm1", c)
            add(f"{block}.norm2", c)

    add("intro", width, 3, 3, 3)
    add("ending", 3, width, 3, 3)
    for i, count in enumerate(encoders):
        c = width * 2**i
        add_blocks(f"encoders.{i}", count, c)
        add(f"downs.{i}", 2 * c, c, 2, 2)
    add_blocks("middle_blks", middle, width * 2 ** len(encoders))
    for i, count in enumerate(decoders):
        c = width * 2 ** (len(decoders) - 1 - i)
        add(f"ups.{i}.0", 4 * c, 2 * c, 1, 1, bias=False)
        add_blocks(f"decoders.{i}", count, c)
    return shapes


def write_published(folder: Path, **card: Any) -> tuple[Path, dict[str, Tensor]]:
    """A checkpoint as the authors name it, of width 16, and the smallest card that goes with it."""
    generator = torch.Generator().manual_seed(1)
    tensors = {
        name: torch.randn(shape, generator=generator) / 8
        for name, shape in published_shapes(16, [2, 2, 4, 8], 12, [2, 2, 2, 2]).items()
    }
    path = folder / "nafnet.safetensors"
    save_file(tensors, path)
    values = {
        "name": "nafnet",
        "task": "denoise",
        "architecture": "nafnet",
        "network": {"width": 16},
        "sha256": sha256_of(path),
    }
    path.with_suffix(".json").write_text(json.dumps(values | card))
    return path, tensors


def test_a_published_checkpoint_loads_and_restores(tmp_path: Path) -> None:
    path, tensors = write_published(tmp_path)
    model = store.locate(path)
    assert model.card.network == VARIANTS["nafnet-width16"]
    assert "arXiv:2204.04676" in model.card.paper
    network = weights.load(model.path, model.card)
    state = network.state_dict()
    assert state.keys() == tensors.keys()
    assert all(torch.equal(state[name], tensors[name]) for name in tensors)

    image = np.random.default_rng(0).integers(0, 256, (32, 48, 3), np.uint8)
    expected = network(torch.from_numpy(image).permute(2, 0, 1)[None] / 255)
    expected = (expected[0].permute(1, 2, 0).clamp(0, 1) * 255).round().numpy()
    for backend in ("torch", "plain"):
        restorer = Restorer(
            "denoise", path, device="cpu", precision="float32", tile="off", backend=backend
        )
        restored = restorer(image)
        assert np.abs(restored - expected).max() <= 1
        assert np.abs(restored.astype(int) - image).mean() > 1


def test_a_card_that_names_another_architecture_does_not_fit(tmp_path: Path) -> None:
    path, _ = write_published(tmp_path, architecture="maxim", network={})
    with pytest.raises(CheckpointError, match=r"tensor .* (does not belong|is missing)"):
        weights.load(path)
    path, _ = write_published(tmp_path, architecture="swin", network={})
    with pytest.raises(CheckpointError, match="architecture is 'swin'"):
        read_card(path)


@pytest.mark.parametrize(
    ("width", "blocks", "millions"),
    [
        (32, ([2, 2, 4, 8], 12, [2, 2, 2, 2]), 29.16),
        (64, ([2, 2, 4, 8], 12, [2, 2, 2, 2]), 115.98),
        (32, ([1, 1, 1, 28], 1, [1, 1, 1, 1]), 17.11),
        (64, ([1, 1, 1, 28], 1, [1, 1, 1, 1]), 67.89),
    ],
)
def test_networks_have_the_published_parameters(
    width: int, blocks: tuple[list[int], int, list[int]], millions: float
) -> None:
    encoders, middle, decoders = blocks
    config = NafnetConfig(width, tuple(encoders), middle, tuple(decoders))
    with torch.device("meta"):
        state = Nafnet(config).state_dict()
    assert {k: list(v.shape) for k, v in state.items()} == published_shapes(width, *blocks)
    assert round(sum(v.numel() for v in state.values()) / 1e6, 2) == millions


def build(quiet_branches: bool = False) -> Nafnet:
    return initialise(Nafnet(TINY), torch.Generator().manual_seed(5), quiet_branches).eval()


def image(height: int, width: int, seed: int = 7) -> Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def test_a_block_computes_the_equations_of_the_paper() -> None:
    block = NafBlock(6)
    generator = torch.Generator().manual_seed(2)
    for parameter in block.parameters():
        parameter.normal_(generator=generator)
    p = dict(block.named_parameters())

    def norm(x: Tensor, name: str) -> Tensor:
        mean = x.mean(dim=1, keepdim=True)
        variance = (x - mean).square().mean(dim=1, keepdim=True)
        scaled = (x - mean) / (variance + 1e-6).sqrt() * p[f"{name}.weight"].view(1, -1, 1, 1)
        return scaled + p[f"{name}.bias"].view(1, -1, 1, 1)

    def conv(x: Tensor, name: str, groups: int = 1) -> Tensor:
        weight = p[f"{name}.weight"]
        return F.conv2d(x, weight, p[f"{name}.bias"], padding=weight.shape[2] // 2, groups=groups)

    x = torch.randn(2, 6, 5, 7, generator=generator)
    y = conv(conv(norm(x, "norm1"), "conv1"), "conv2", groups=12)
    y = y[:, :6] * y[:, 6:]
    y = y * conv(y.mean(dim=(2, 3), keepdim=True), "sca.1")
    between = x + conv(y, "conv3") * p["beta"]
    y = conv(norm(between, "norm2"), "conv4")
    expected = between + conv(y[:, :6] * y[:, 6:], "conv5") * p["gamma"]
    torch.testing.assert_close(block(x), expected, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_batches_do_not_mix_and_memory_layouts_do_not_matter() -> None:
    network, one, two = build(), image(8, 12, 1), image(8, 12, 2)
    both = network(torch.cat((one, two)))
    torch.testing.assert_close(both[:1], network(one))
    torch.testing.assert_close(both[1:], network(two.contiguous(memory_format=torch.channels_last)))
    assert (both[:1] - one).abs().max() > 0.01


@torch.no_grad()
def test_bfloat16_keeps_the_image_in_the_callers_precision() -> None:
    network, x = build(quiet_branches=True).to(torch.bfloat16), image(8, 8)
    assert torch.equal(network(x), x)


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"width": 0}, "width"),
        ({"width": True}, "width"),
        ({"middle_blk_num": 1.5}, "middle_blk_num"),
        ({"enc_blk_nums": []}, "enc_blk_nums"),
        ({"enc_blk_nums": "2222"}, "enc_blk_nums"),
        ({"dec_blk_nums": [2, 2, 2, 0]}, "dec_blk_nums"),
        ({"dec_blk_nums": [1, 1]}, "dec_blk_nums"),
        ({"widht": 32}, "widht"),
    ],
)
def test_a_wrong_value_names_itself(values: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        NafnetConfig.from_dict(values)


@pytest.mark.slow
def test_a_denoiser_trains_for_20_steps_and_restores(tmp_path: Path) -> None:
    clean = tmp_path / "clean"
    clean.mkdir()
    rng = np.random.default_rng(3)
    for i in range(3):
        squares = rng.integers(0, 256, (8, 8, 3), np.uint8).repeat(8, axis=0).repeat(8, axis=1)
        Image.fromarray(squares).save(clean / f"{i}.png")
    fields = {"patches": [[32, 32]], "pixels_per_step": 1024, "validate_every": 20}
    (tmp_path / "run.json").write_text(json.dumps(fields))
    outcome = restore(
        *("train", "denoise", "--network", "nafnet-width16", "--steps", 20, "--clean", clean),
        *("--config", "run.json", "--run", "run", "--out", "out.safetensors", "--device", "cpu"),
        cwd=tmp_path,
    )
    assert outcome.code == 0, outcome.stderr
    card = read_card(tmp_path / "out.safetensors")
    assert card.network == VARIANTS["nafnet-width16"]
    assert card.to_dict()["architecture"] == "nafnet"
    assert card.training["network"]["architecture"] == "nafnet"
    again = restore(
        *("denoise", clean / "0.png", "restored.png", "--model", "out.safetensors"), cwd=tmp_path
    )
    assert again.code == 0, again.stderr
    with Image.open(tmp_path / "restored.png") as restored:
        assert restored.size == (64, 64)
