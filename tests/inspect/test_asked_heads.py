"""The models of heads that the judge asks."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from restore.checkpoints import store
from restore.errors import CheckpointError
from restore.inspect import judge_model
from restore.inspect.asked_heads import asked_heads, shipped
from restore.networks.judge import JudgeConfig

CONFIG = JudgeConfig(
    place_models=("derain-small",), places_asked=(1,), scene_models=("dehaze-small",)
)


def test_the_card_names_the_models_that_ship() -> None:
    card = judge_model.card()
    assert card.models == shipped(card.network)


def test_a_head_is_the_shipped_network() -> None:
    (derain,) = asked_heads(CONFIG, shipped(CONFIG)).of_places
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        restored = derain(images)
    assert (restored.dtype, restored.shape) == (torch.float32, images.shape)
    assert 0 < (restored - images).abs().mean() < 0.5


def test_other_weights_than_the_judge_knows_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (derain,) = asked_heads(CONFIG, dict.fromkeys(shipped(CONFIG), "0" * 64)).of_places
    with pytest.raises(CheckpointError, match="not the model that the judge"):
        derain(torch.zeros(1, 3, 64, 64))
    (derain,) = asked_heads(CONFIG, dict.fromkeys(shipped(CONFIG), "1" * 64)).of_places
    monkeypatch.setattr(store, "shipped_folder", lambda: tmp_path)
    with pytest.raises(CheckpointError, match=r"derain-small"):
        derain(torch.zeros(1, 3, 64, 64))
