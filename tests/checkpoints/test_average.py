from __future__ import annotations

from pathlib import Path

import pytest
import torch
from models import save_model

from restore.checkpoints import store, weights
from restore.checkpoints.average import average
from restore.errors import CheckpointError, UsageError


@pytest.fixture
def two(tmp_path: Path) -> tuple[store.Model, store.Model]:
    first = save_model(tmp_path, name="first", task="derain")
    second = store.locate(save_model(tmp_path, name="second", task="derain"))
    network = weights.load(second.path)
    with torch.no_grad():
        for tensor in network.state_dict().values():
            tensor.add_(1)
    weights.save(network, second.card, second.path)
    return store.locate(first), store.locate(second.path)


def test_weights_lie_between_those_of_the_models(
    two: tuple[store.Model, store.Model], tmp_path: Path
) -> None:
    card = average(*two, tmp_path / "third.safetensors", 0.25)
    found = weights.load(tmp_path / "third.safetensors").state_dict()
    for name, tensor in weights.load(two[0].path).state_dict().items():
        torch.testing.assert_close(found[name], tensor + 0.25)
    assert card.name == "third"
    assert card.figures == ()
    assert card.source["averaged"]["share_of_second"] == 0.25
    assert [text.split()[0] for text in card.source["averaged"]["models"]] == ["first", "second"]


def test_refuses_shares_beyond_one_and_models_that_differ(
    two: tuple[store.Model, store.Model], tmp_path: Path
) -> None:
    target = tmp_path / "third.safetensors"
    with pytest.raises(UsageError, match="between 0 and 1"):
        average(*two, target, 1.5)
    other = store.locate(save_model(tmp_path, name="other", task="denoise"))
    with pytest.raises(CheckpointError, match="differ in head or network"):
        average(two[0], other, target)
    assert not target.exists()
