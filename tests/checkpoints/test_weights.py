from __future__ import annotations

import errno
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from models import TINY, save_model
from safetensors.torch import load_file, save_file

from restore.checkpoints import store, weights
from restore.checkpoints.card import Card, card_path, read_card
from restore.errors import CheckpointError
from restore.files import sha256_of
from restore.networks import initialise
from restore.networks.maxim.network import Maxim


@pytest.fixture
def model_file(tmp_path: Path) -> Path:
    return save_model(tmp_path, task="deblur")


def rewrite(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    """Replace the tensors, with a card that vouches for the new file."""
    save_file(tensors, path)
    card = read_card(path)
    card_path(path).write_text(json.dumps(replace(card, sha256=sha256_of(path)).to_dict()))


def test_what_is_saved_comes_back(model_file: Path, tmp_path: Path) -> None:
    model = weights.load(model_file)
    card = read_card(model_file)
    copy = tmp_path / "copy.safetensors"
    written = weights.save(model, card, copy)
    assert written.parameters == sum(p.numel() for p in model.parameters())
    for name, value in weights.load(copy).state_dict().items():
        assert torch.equal(value, model.state_dict()[name])


def test_half_precision_storage_is_widened(model_file: Path, tmp_path: Path) -> None:
    model = weights.load(model_file)
    half = tmp_path / "half.safetensors"
    weights.save(model, read_card(model_file), half, dtype=torch.float16)
    assert half.stat().st_size < 0.7 * model_file.stat().st_size
    for name, value in weights.load(half).state_dict().items():
        assert value.dtype == torch.float32
        assert torch.equal(value, model.state_dict()[name].half().float())


def test_a_changed_byte_is_found(model_file: Path) -> None:
    content = bytearray(model_file.read_bytes())
    content[-1] ^= 1
    model_file.write_bytes(content)
    with pytest.raises(CheckpointError, match="damaged"):
        weights.load(model_file)


def test_wrong_tensors_are_named(model_file: Path) -> None:
    tensors = load_file(model_file)
    name = "stages.0.encoders.0.conv.weight"
    for change, message in (
        ({name: tensors[name][:, :-1].contiguous()}, f"{name} has shape"),
        ({"stages.7.x": torch.zeros(2)}, r"stages\.7\.x does not belong"),
        ({name: tensors[name].int()}, "not floats"),
    ):
        rewrite(model_file, tensors | change)
        with pytest.raises(CheckpointError, match=message):
            weights.load(model_file)
    tensors.pop(name)
    rewrite(model_file, tensors)
    with pytest.raises(CheckpointError, match=f"{name} is missing"):
        weights.load(model_file)


def test_a_pickle_is_refused_whatever_its_name(model_file: Path) -> None:
    state = weights.load(model_file).state_dict()
    torch.save(state, model_file)
    card = read_card(model_file)
    card_path(model_file).write_text(
        json.dumps(replace(card, sha256=sha256_of(model_file)).to_dict())
    )
    with pytest.raises(CheckpointError, match="cannot be read as safetensors"):
        weights.load(model_file)


def test_a_failed_save_leaves_what_was_there(
    model_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = model_file.read_bytes(), card_path(model_file).read_bytes()
    model, card = weights.load(model_file), card_of(before[1])

    def fail(card: Card, path: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(weights, "write_card", fail)
    with pytest.raises(CheckpointError, match="cannot be written: No space left"):
        weights.save(model, card, model_file)
    assert (model_file.read_bytes(), card_path(model_file).read_bytes()) == before
    assert sorted(p.name for p in model_file.parent.iterdir()) == ["tiny.json", "tiny.safetensors"]


def card_of(content: bytes) -> Card:
    return Card.from_dict(json.loads(content))


def test_a_model_for_another_task_is_refused(model_file: Path) -> None:
    assert store.find("deblur", model_file).card.name == "tiny"
    with pytest.raises(CheckpointError, match="for deblur, not for denoise"):
        store.find("denoise", model_file)


def two_scales() -> Maxim:
    """A network with a coarse output, which inference never reads."""
    network = Maxim(replace(TINY, num_supervision_scales=2))
    return initialise(network, torch.Generator().manual_seed(0)).eval()


COARSE = {"stages.0.output_convs.1.weight", "stages.0.output_convs.1.bias"}


def test_outputs_that_inference_never_reads_can_be_left_out(tmp_path: Path) -> None:
    network = two_scales()
    assert weights.unread(network) == COARSE
    path = tmp_path / "short.safetensors"
    card = Card("short", "denoise", network.config, "")
    written = weights.save(network, card, path, without_unread=True)
    stored = load_file(path)
    assert network.state_dict().keys() - stored.keys() == COARSE
    assert written.parameters == sum(value.numel() for value in stored.values())
    loaded = weights.load(path)
    assert not any(loaded.state_dict()[name].any() for name in COARSE)
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        assert torch.equal(loaded(image), network(image))


@pytest.mark.parametrize("gone", [*sorted(COARSE), "stages.0.output_convs.0.bias"])
def test_no_other_tensor_can_be_left_out(tmp_path: Path, gone: str) -> None:
    network = two_scales()
    path = tmp_path / "short.safetensors"
    weights.save(network, Card("short", "denoise", network.config, ""), path)
    rewrite(path, {name: value for name, value in load_file(path).items() if name != gone})
    with pytest.raises(CheckpointError, match=f"{gone} is missing"):
        weights.load(path)
