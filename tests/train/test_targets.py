from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from models import save_model
from PIL import Image
from tiny_run import CONFIG, CPU, noise, picture
from torch import Generator, Tensor

from restore import Restorer
from restore.checkpoints import store
from restore.degrade.recipes import RECIPES, Recipe
from restore.errors import TrainingError
from restore.train import targets
from restore.train.data import Stock, centre
from restore.train.sources import DISTILL, PAIRS, REHEARSE, Source, read
from restore.train.targets import make_pairs

TWICE = replace(CONFIG, target_draws=2)


def photos(folder: Path) -> Path:
    (folder / "photos").mkdir()
    for name, seed in (("a.png", 1), ("b.png", 2)):
        Image.fromarray(picture(40, 50, seed)).save(folder / "photos" / name)
    return folder / "photos"


def make(folder: Path, kind: str, config=CONFIG, model: Path | None = None, degrade=noise):  # type: ignore[no-untyped-def]
    """Pairs of the pictures of `photos`; returns them and what was said."""
    said: list[str] = []
    done: list[tuple[int, int]] = []
    source = Source(kind, folder / "photos" if (folder / "photos").exists() else photos(folder))
    found = store.locate(model or save_model(folder))
    make_pairs(
        source,
        folder / "pairs",
        found,
        config,
        Recipe(degrade),
        device="cpu",
        say=said.append,
        progress=lambda *counts: done.append(counts),
    )
    draws = config.target_draws if kind == DISTILL else 1
    return read(source, folder / "pairs", draws), said, done


def test_rehearsed_pictures_get_what_the_model_makes_of_them(tmp_path: Path) -> None:
    pictures, said, done = make(tmp_path, REHEARSE)
    assert said == ["photos: tiny makes 2 targets"]
    assert done == [(1, 2), (2, 2)]
    restorer = Restorer("denoise", tmp_path / "tiny.safetensors", device="cpu")
    for (degraded, target), seed in zip(pictures.items, (1, 2), strict=True):
        np.testing.assert_array_equal(degraded, picture(40, 50, seed))
        np.testing.assert_array_equal(target, restorer(degraded))
        assert (target != degraded).any()


def test_distilled_pictures_are_degraded_before_the_model_sees_them(tmp_path: Path) -> None:
    pictures, _, done = make(tmp_path, DISTILL, TWICE)
    assert done[-1] == (4, 4)
    assert pictures.draws == 2
    restorer = Restorer("denoise", tmp_path / "tiny.safetensors", device="cpu")
    clean = [picture(40, 50, seed) for seed in (1, 1, 2, 2)]
    for (degraded, target), original in zip(pictures.items, clean, strict=True):
        difference = degraded.astype(float) - original
        assert 5 < difference.std() < 60
        np.testing.assert_array_equal(target, restorer(degraded))
    assert (pictures.items[0][0] != pictures.items[1][0]).any()


def test_the_seed_fixes_what_is_distilled(tmp_path: Path) -> None:
    found = []
    for name, seed in (("one", 0), ("again", 0), ("other", 1)):
        (tmp_path / name).mkdir()
        found.append(make(tmp_path / name, DISTILL, replace(TWICE, seed=seed))[0].digest())
    assert found[0] == found[1] != found[2]


@pytest.mark.parametrize("task", sorted(RECIPES))
def test_every_recipe_degrades_whole_pictures(task: str) -> None:
    generator = Generator().manual_seed(0)
    clean = picture(45, 61)
    degraded = targets._degraded(clean, RECIPES[task], generator)
    assert (degraded.shape, degraded.dtype) == (clean.shape, np.uint8)


# Interrupted and repeated


class CutShortError(Exception):
    pass


def test_an_interrupted_making_is_completed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "once").mkdir()
    (tmp_path / "cut").mkdir()
    once = make(tmp_path / "once", DISTILL, TWICE)[0]
    calls = 0

    def failing(clean: Tensor, generator: Generator) -> Tensor:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise CutShortError
        return noise(clean, generator)

    with pytest.raises(CutShortError):
        make(tmp_path / "cut", DISTILL, TWICE, degrade=failing)
    made = {path: path.stat().st_mtime_ns for path in tmp_path.glob("cut/pairs/target/*.png")}
    assert len(made) == 2
    pictures, said, done = make(tmp_path / "cut", DISTILL, TWICE)
    assert said == ["photos: tiny makes 2 targets"]
    assert done == [(3, 4), (4, 4)]
    assert pictures.digest() == once.digest()
    assert all(path.stat().st_mtime_ns == before for path, before in made.items())


def test_an_input_without_its_target_is_made_again(tmp_path: Path) -> None:
    before = make(tmp_path, REHEARSE)[0]
    (tmp_path / "pairs/target/00001.png").unlink()
    (tmp_path / "pairs/input/00001.png").write_bytes(b"half")
    assert make(tmp_path, REHEARSE)[0].digest() == before.digest()


def test_what_is_complete_needs_no_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = make(tmp_path, REHEARSE)[0]
    monkeypatch.setattr(targets, "_restorer", None)
    pictures, said, done = make(tmp_path, REHEARSE)
    assert (pictures.digest(), said, done) == (before.digest(), [], [])


def change_picture(folder: Path) -> None:
    Image.fromarray(picture(40, 50, seed=3)).save(folder / "photos/a.png")


def add_picture(folder: Path) -> None:
    Image.fromarray(picture(40, 50, seed=3)).save(folder / "photos/c.png")


@pytest.mark.parametrize(
    ("change", "config", "named"),
    [
        (change_picture, TWICE, "pictures"),
        (add_picture, TWICE, "pictures"),
        (lambda folder: None, replace(TWICE, seed=1), "seed"),
        (lambda folder: None, replace(TWICE, target_draws=1), "draws"),
        (lambda folder: save_model(folder, identity=True), TWICE, "sha256"),
    ],
    ids=["picture", "more pictures", "seed", "draws", "model"],
)
def test_pairs_of_something_else_are_refused(
    tmp_path: Path, change: Callable[[Path], object], config: object, named: str
) -> None:
    make(tmp_path, DISTILL, TWICE)
    change(tmp_path)
    with pytest.raises(TrainingError, match=f"pairs: holds pairs with another {named}; remove"):
        make(tmp_path, DISTILL, config, tmp_path / "tiny.safetensors")


def test_the_manifest_names_the_model_and_the_pictures(tmp_path: Path) -> None:
    make(tmp_path, REHEARSE)
    manifest = json.loads((tmp_path / "pairs/manifest.json").read_text())
    card = json.loads((tmp_path / "tiny.json").read_text())
    assert (manifest["model"], manifest["sha256"]) == ("tiny", card["sha256"])
    assert [entry["name"] for entry in manifest["pictures"]] == ["a.png", "b.png"]
    assert "seed" not in manifest  # nothing is drawn


def test_a_damaged_manifest_is_named(tmp_path: Path) -> None:
    make(tmp_path, REHEARSE)
    (tmp_path / "pairs/manifest.json").write_text("{")
    with pytest.raises(TrainingError, match=r"manifest\.json: is damaged"):
        make(tmp_path, REHEARSE)


def test_a_picture_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (photos(tmp_path) / "b.png").write_text("not a picture")
    with pytest.raises(TrainingError, match=r"b\.png: not a picture"):
        make(tmp_path, REHEARSE)


# Patches


@pytest.mark.parametrize(("kind", "spoilt"), [(PAIRS, True), (REHEARSE, False), (DISTILL, False)])
def test_inputs_of_a_model_stay_as_it_saw_them(tmp_path: Path, kind: str, spoilt: bool) -> None:
    pictures, *_ = make(tmp_path, REHEARSE)
    pictures = replace(pictures, source=Source(kind, Path("pairs")))
    worse = Recipe(noise, pair=lambda degraded, clean, generator: degraded / 2)
    stock = Stock(pictures, worse, CPU)
    place = centre(stock.sizes, 32, 32)
    degraded, target = stock.patches(place, 32, 32, Generator().manual_seed(0))
    expected = np.stack([item[0][4:36, 9:41] for item in pictures.items])
    found = (degraded * (255 * (2 if spoilt else 1))).round().byte().permute(0, 2, 3, 1)
    np.testing.assert_array_equal(found.numpy(), expected)
    torch.testing.assert_close(
        target,
        torch.from_numpy(np.stack([i[1][4:36, 9:41] for i in pictures.items])).permute(0, 3, 1, 2)
        / 255,
    )
