"""Figures that this package measured are merged into the cards of official models."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from release import PINNED, Release

from restore.checkpoints import acquire, official_figures, store, zoo
from restore.checkpoints.card import Figure, TilePolicy, read_card
from restore.errors import CheckpointError

OURS = {
    "figures": [{"data": "Rain12", "metric": "PSNR", "value": 37.5, "protocol": "Y"}],
    "precisions": ["float32", "bfloat16"],
    "memory": {"cpu": {"float32": 3000.0, "bfloat16": 2000.0}},
    "tile": {"size": 384, "overlap": 64, "whole_up_to": 1000},
}
CARD = zoo.OFFICIAL[PINNED].card()


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], Path]:
    """Replace the package's folder of measurements by one with this file."""
    folder = tmp_path / "shipped" / "official"
    folder.mkdir(parents=True)
    monkeypatch.setattr(store, "shipped_folder", lambda: folder.parent)
    monkeypatch.setenv("RESTORE_HOME", str(tmp_path))

    def write(values: Any) -> Path:
        (folder / f"{PINNED}.json").write_text(json.dumps(values))
        return folder

    return write


def test_measured_values_replace_or_join_the_cards(write: Callable[[Any], Path]) -> None:
    card = official_figures.merged(CARD, write(OURS))
    assert card.figures == (Figure("Rain12", "PSNR", 37.5, "Y"), *CARD.figures)
    assert card.precisions == ("float32", "bfloat16")
    assert card.tile == TilePolicy(384, 64, 1000)
    assert card.memory == OURS["memory"]
    assert replace(card, **{name: getattr(CARD, name) for name in official_figures.FIELDS}) == CARD


def test_merging_twice_changes_nothing(write: Callable[[Any], Path]) -> None:
    once = official_figures.merged(CARD, write(OURS))
    assert official_figures.merged(once, write(OURS)) == once


def test_a_later_figure_replaces_the_one_of_the_same_protocol(
    write: Callable[[Any], Path],
) -> None:
    once = official_figures.merged(CARD, write(OURS))
    later = [{"data": "Rain12", "metric": "PSNR", "value": 38.0, "protocol": "Y"}]
    card = official_figures.merged(once, write(OURS | {"figures": later}))
    assert [f.value for f in card.figures if f.data == "Rain12"] == [38.0]
    assert len(card.figures) == 1 + len(CARD.figures)


def test_figures_after_a_stage_stand_beside_those_of_the_whole(
    write: Callable[[Any], Path],
) -> None:
    first = {**OURS["figures"][0], "value": 36.0, "stages": 1}  # type: ignore[index]
    card = official_figures.merged(
        official_figures.merged(CARD, write(OURS)), write({"figures": [first]})
    )
    assert [f.value for f in card.figures if f.data == "Rain12"] == [36.0, 37.5]


def test_memory_that_the_user_measured_is_kept(write: Callable[[Any], Path]) -> None:
    own = replace(CARD, memory={"cpu": {"float32": 1.0}, "cuda": {"float32": 5.0}})
    card = official_figures.merged(own, write(OURS))
    assert card.memory == {"cpu": {"float32": 1.0, "bfloat16": 2000.0}, "cuda": {"float32": 5.0}}


def test_a_part_changes_that_part_only(write: Callable[[Any], Path]) -> None:
    card = official_figures.merged(CARD, write({"precisions": ["float32", "bfloat16"]}))
    assert card == replace(CARD, precisions=("float32", "bfloat16"))


def test_other_models_and_absent_files_stay_as_they_are(
    write: Callable[[Any], Path], tmp_path: Path
) -> None:
    folder = write(OURS)
    for card in (replace(CARD, sha256="0" * 64), replace(CARD, sha256="")):
        assert official_figures.merged(card, folder) == card
    assert official_figures.merged(CARD, tmp_path) == CARD


@pytest.mark.parametrize(
    "values", [[], 3, {"licence": "mine"}, {"tile": {"size": -1}}, {"figures": [{}]}]
)
def test_a_malformed_file_is_named(write: Callable[[Any], Path], values: Any) -> None:
    folder = write(values)
    with pytest.raises(CheckpointError, match=rf"{PINNED}\.json"):
        official_figures.merged(CARD, folder)


def test_a_newer_package_updates_the_cards_of_models_pulled_before(
    write: Callable[[Any], Path], release: Release
) -> None:
    assert official_figures.FIELDS
    model = acquire.pull(PINNED, source=str(release.tgz))
    assert model.card.precisions == ("float32",)
    write(OURS)
    for found in (store.locate(PINNED), store.locate(model.path), next(store.installed())):
        assert found.card.precisions == ("float32", "bfloat16")
        assert found.card.memory == OURS["memory"]
    assert store.entry(PINNED).card.figures[0].data == "Rain12"
    model.path.unlink()
    assert store.entry(PINNED).card.figures[0].data == "Rain12"  # of the available one too


def test_a_written_card_says_what_is_measured_but_for_the_memory(
    write: Callable[[Any], Path], release: Release
) -> None:
    write(OURS)
    model = acquire.pull(PINNED, source=str(release.tgz))
    written = read_card(model.path)
    assert written.tile == model.card.tile == TilePolicy(384, 64, 1000)
    assert written.figures == model.card.figures
    assert (written.memory, model.card.memory) == ({}, OURS["memory"])
