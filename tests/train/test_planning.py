from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from models import TINY, save_model

from restore.checkpoints import weights
from restore.checkpoints.card import read_card
from restore.errors import CheckpointError, ConfigError, ModelNotFoundError, UsageError
from restore.files import sha256_of
from restore.networks.maxim import VARIANTS
from restore.train.config import TrainConfig
from restore.train.planning import plan
from restore.train.sources import CLEAN, DISTILL, REHEARSE, Source

PHOTOS = Source(REHEARSE, Path("photos"))


def write(folder: Path, **values: object) -> Path:
    path = folder / "cfg.json"
    path.write_text(json.dumps(values))
    return path


def test_batches_are_as_many_as_devices_unless_said_otherwise(tmp_path: Path) -> None:
    cases: list[tuple[dict[str, int], int, int]] = [
        ({}, 1, 1),
        ({}, 3, 3),
        ({"batches_per_step": 6}, 3, 6),
    ]
    for stated, devices, expected in cases:
        planned = plan("denoise", (), write(tmp_path, **stated), devices=devices)
        assert planned.config.batches_per_step == expected


def test_options_come_before_the_file(tmp_path: Path) -> None:
    config = write(tmp_path, task="derain", steps=5, seed=6)
    planned = plan("denoise", (), config, steps=7, seed=None)
    assert (planned.config.task, planned.config.steps, planned.config.seed) == ("denoise", 7, 6)


# Models to start from


def test_a_model_of_another_task_can_be_taken_as_a_start(tmp_path: Path) -> None:
    path = save_model(tmp_path, task="enhance")
    planned = plan("derain", (), init=str(path))
    start = planned.start_from
    assert start is not None
    assert planned.config.init == f"tiny {sha256_of(path)}"
    assert planned.config.network == TINY
    found = weights.load(path, read_card(path)).state_dict()
    assert all(torch.equal(value, found[name]) for name, value in start.state_dict().items())
    assert all(parameter.requires_grad for parameter in start.parameters())


@pytest.mark.parametrize("hashed", [True, False])
def test_a_configuration_may_name_the_start(tmp_path: Path, hashed: bool) -> None:
    path = save_model(tmp_path)
    text = f"{path} {sha256_of(path)}" if hashed else str(path)
    assert plan("denoise", (), write(tmp_path, init=text)) == replace(
        plan("denoise", (), init=str(path)), start_from=ANY
    )


class Any:
    def __eq__(self, other: object) -> bool:
        return other is not None


ANY: Any = Any()


def test_the_network_of_the_start_may_be_repeated(tmp_path: Path) -> None:
    path = save_model(tmp_path)
    partial = {k: v for k, v in TINY.to_dict().items() if k not in ("lrelu_slope", "use_bias")}
    config = write(tmp_path, network=partial)
    assert plan("denoise", (), config, init=str(path)).config.network == TINY


def test_a_network_that_is_not_the_start_s_is_refused(tmp_path: Path) -> None:
    config = write(tmp_path, network={"features": 48})
    with pytest.raises(ConfigError, match=r"cfg\.json: tiny has another network than the config"):
        plan("denoise", (), config, init=str(save_model(tmp_path)))


def test_a_start_with_another_hash_is_refused(tmp_path: Path) -> None:
    path = save_model(tmp_path)
    config = write(tmp_path, init=f"{path} {'0' * 64}")
    told = r"cfg\.json: init: .*tiny.safetensors has SHA-256 .*, not 000000000000\.\.\.; name"
    with pytest.raises(CheckpointError, match=told):
        plan("denoise", (), config)


def test_a_start_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match=r"^--init: no model is called 'nothing'"):
        plan("denoise", (), write(tmp_path), init="nothing")
    config = write(tmp_path, init=f"nothing {'0' * 64}")
    with pytest.raises(ModelNotFoundError, match=r"cfg\.json: init: .* with --init FILE$"):
        plan("denoise", (), config)


# Printed configurations


def test_a_described_plan_is_the_same_again(tmp_path: Path) -> None:
    path = save_model(tmp_path)
    sources = (PHOTOS, Source(CLEAN, Path("clean"), 0.5))
    planned = plan(
        "denoise", sources, init=str(path), target_model=str(path), steps=3, fft_weight=1 / 3
    )
    described = planned.described()
    assert described["init"] == described["target_model"] == f"{path} {sha256_of(path)}"
    again = plan("denoise", sources, write(tmp_path, **described))
    assert again == replace(planned, start_from=ANY)
    assert again.described() == described


def test_without_models_the_configuration_is_what_is_described() -> None:
    planned = plan("derain", (), seed=4)
    assert planned.described() == planned.config.to_dict()
    assert set(planned.described()) == set(TrainConfig.__dataclass_fields__)


def test_an_installed_model_is_described_by_name() -> None:
    planned = plan("derain", (), init="derain-small")
    assert planned.described()["init"] == planned.config.init
    assert planned.config.init.startswith("derain-small ")


# Target models


@pytest.mark.parametrize("kind", [REHEARSE, DISTILL])
def test_made_sources_need_a_target_model(kind: str) -> None:
    with pytest.raises(UsageError, match=f"^photos: to {kind}, give target_model=NAME"):
        plan("denoise", (Source(kind, Path("photos")),))


def test_a_target_model_needs_a_made_source(tmp_path: Path) -> None:
    path = str(save_model(tmp_path))
    with pytest.raises(
        UsageError, match="target_model=NAME makes targets for pictures to rehearse or"
    ):
        plan("denoise", (Source(CLEAN, Path("photos")),), target_model=path)
    assert plan("denoise", (PHOTOS,), target_model=path).config.target_model.startswith("tiny ")


# Errors in a configuration


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "is not valid JSON: Expecting"),
        ("[" * 100_000, "is not valid JSON: "),
        ("[]", "must hold a JSON object of training fields"),
        ('"steps"', "must hold a JSON object of training fields"),
        ('{"leraning_rate": 1}', "unknown training field 'leraning_rate'; did you mean 'learning"),
        ('{"steps": "many"}', "steps is 'many'; it must be a whole number of at least 1"),
        ('{"init": 5}', "init is 5; it must be text"),
        ('{"network": {"fetures": 5}}', "unknown network field 'fetures'; did you mean 'features'"),
        ('{"network": {"depth": 2.5}}', "network.depth is 2.5; it must be a whole number"),
        ('{"patches": [[48, 48]]}', "patches holds 48 x 48; this network needs multiples of"),
    ],
)
def test_a_wrong_configuration_is_named_with_its_file(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "cfg.json"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        plan("denoise", (), path)
    assert str(caught.value).startswith(f"{path}: {told}")


def test_a_configuration_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for path, reason in ((tmp_path, "Is a directory"), (tmp_path / "no.json", "No such file")):
        with pytest.raises(ConfigError, match=f"{path.name}: cannot be read: {reason}"):
            plan("denoise", (), path)


def test_a_variant_names_a_network(tmp_path: Path) -> None:
    config = write(tmp_path, network={"variant": "S-1"}, patches=[[64, 64]])
    assert plan("denoise", (), config).config.network == VARIANTS["S-1"]
