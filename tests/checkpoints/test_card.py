from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from restore.checkpoints.card import Card, Figure, TilePolicy, TrainingSet, read_card
from restore.errors import CheckpointError
from restore.networks.maxim import VARIANTS

CARD = Card(
    name="x",
    task="deblur",
    network=VARIANTS["S-2"],
    sha256="0" * 64,
    precisions=("float32", "bfloat16"),
    tile=TilePolicy(256, 32, 65536),
    training_data=(TrainingSet("photographs", "CC0"),),
    figures=(Figure("CBSD68", "PSNR", 30.5, "sigma 25"),),
)


def put(folder: Path, values: Any) -> Path:
    (folder / "x.json").write_text(json.dumps(values))
    return folder / "x.safetensors"


def test_a_card_survives_its_file(tmp_path: Path) -> None:
    assert read_card(put(tmp_path, CARD.to_dict())) == CARD


def test_the_file_spells_out_the_size_rule() -> None:
    assert CARD.to_dict()["size_multiple"] == [64, 64]


def test_a_newer_card_with_more_fields_can_be_read(tmp_path: Path) -> None:
    values, more = CARD.to_dict(), {"from_the_future": 1}
    for holder in (values, values["tile"], *values["figures"], *values["training_data"]):
        holder.update(more)
    assert read_card(put(tmp_path, values)) == CARD


def test_more_fields_of_the_network_would_make_it_another(tmp_path: Path) -> None:
    values = CARD.to_dict()
    values["network"]["from_the_future"] = 1
    with pytest.raises(CheckpointError, match="from_the_future"):
        read_card(put(tmp_path, values))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task": "colourise"}, "colourise"),
        ({"network": {"features": -1}}, "features"),
        ({"figures": [{"data": "x"}]}, "not valid"),
        ({"tile": {"size": 3}}, "not valid"),
        ({"tile": 512}, "not valid"),
        ({"tile": CARD.to_dict()["tile"] | {"size": "512"}}, "tile size"),
        ({"tile": CARD.to_dict()["tile"] | {"window": True}}, "tile window"),
        ({"precisions": None}, "not valid"),
    ],
)
def test_a_wrong_field_is_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        read_card(put(tmp_path, CARD.to_dict() | changes))


@pytest.mark.parametrize("field", ["name", "task", "network", "sha256"])
def test_a_missing_field_is_named(tmp_path: Path, field: str) -> None:
    values = CARD.to_dict()
    del values[field]
    with pytest.raises(CheckpointError, match=field):
        read_card(put(tmp_path, values))


@pytest.mark.parametrize("values", [[], "text", 3])
def test_what_is_no_object_is_no_card(tmp_path: Path, values: Any) -> None:
    with pytest.raises(CheckpointError, match="not a card"):
        read_card(put(tmp_path, values))


def test_without_a_card_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="has no card"):
        read_card(tmp_path / "x.safetensors")
