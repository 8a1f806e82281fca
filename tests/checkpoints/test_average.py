from __future__ import annotations

from pathlib import Path

import pytest
import torch
from models import save_model

from restore.checkpoints import store, weights
from restore.checkpoints.average import average
from restore.checkpoints.card import TrainingSet
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


def test_what_holds_for_one_model_holds_for_the_average(tmp_path: Path) -> None:
    photos, pairs = TrainingSet("photographs", "CC0"), TrainingSet("pairs", "research use")
    facts = {
        "first": {"licence": "CC-BY-NC-4.0", "training_data": (photos, pairs)},
        "second": {
            "licence": "Apache-2.0",
            "training_data": (photos,),
            "precisions": ("float32", "bfloat16"),
        },
    }
    models = (store.locate(save_model(tmp_path, name=n, **rest)) for n, rest in facts.items())
    card = average(*models, tmp_path / "third.safetensors")
    assert card.licence == "CC-BY-NC-4.0 and Apache-2.0"
    assert card.precisions == ("float32",)
    assert card.training_data == (photos, pairs)


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
