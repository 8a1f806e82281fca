from __future__ import annotations

import json
from pathlib import Path

import pytest
from models import TINY, save_model
from PIL import Image
from tiny_run import picture

from restore.checkpoints.card import Card, Figure, TilePolicy, TrainingSet, read_card
from restore.engine.tile_options import windowed
from restore.files import sha256_of
from restore.networks.maxim import VARIANTS, MaximConfig
from restore.train import job
from restore.train.config import SMALL
from restore.train.model_export import variant_of
from restore.train.planning import plan
from restore.train.sources import CLEAN, Source


def fine_tune(folder: Path, ancestor: Path) -> Card:
    """Train for one step on patches of 32 pixels; returns the card."""
    (folder / "clean").mkdir()
    for i in range(2):
        Image.fromarray(picture(40, 50, seed=i)).save(folder / f"clean/{i}.png")
    short = {"steps": 1, "patches": [[32, 32]], "pixels_per_step": 1024, "holdout": 0.0}
    (folder / "fine.json").write_text(json.dumps(short))
    sources = (Source(CLEAN, folder / "clean"),)
    planned = plan("denoise", sources, folder / "fine.json", init=str(ancestor))
    job.run(planned, folder / "run", out=folder / "heir.safetensors", place=job.Hardware("cpu"))
    return read_card(folder / "heir.safetensors")


def test_what_a_model_has_learned_from_before_stays_on_its_card(tmp_path: Path) -> None:
    before = save_model(
        tmp_path, licence="research", training_data=(TrainingSet("old pictures", "theirs"),)
    )
    card = fine_tune(tmp_path, before)
    assert [used.name for used in card.training_data] == ["old pictures", "clean"]
    assert card.source["from"] == f"tiny {sha256_of(before)}"
    assert card.source["from_licence"] == "research"
    # Nothing is known of the tiny one but its network.
    assert (card.variant, card.training_patch, card.tile) == ("custom", 32, windowed(32))


def test_a_fine_tuned_model_inherits_what_belongs_to_its_network(tmp_path: Path) -> None:
    known = {
        "variant": "S-9",
        "training_patch": 256,
        "tile": TilePolicy(size=320, overlap=32, whole_up_to=640_000),
        "memory": {"cpu": {"float32": 700.5, "bfloat16": 400.5}},
        "paper": "another",
    }
    measured = {
        "precisions": ("float32", "bfloat16"),
        "figures": (Figure("CBSD68", "PSNR", 30.0, "RGB"),),
        "limits": "rain stays",
    }
    before = save_model(tmp_path, name="famous", **known, **measured)
    card = fine_tune(tmp_path, before)
    assert {name: getattr(card, name) for name in known} == known
    # These are properties of the weights and have to be measured again.
    assert (card.precisions, card.figures, card.limits) == (("float32",), (), "")


@pytest.mark.parametrize(
    ("network", "name"),
    [(SMALL, "small"), *((config, name) for name, config in VARIANTS.items()), (TINY, "custom")],
)
def test_known_networks_have_their_name(network: MaximConfig, name: str) -> None:
    assert variant_of(network) == name
