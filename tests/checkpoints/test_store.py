"""Where models are found, and the catalogue of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from models import save_model

from restore.checkpoints import store, weights, zoo
from restore.errors import ModelNotFoundError
from restore.heads import HEADS


@pytest.fixture
def nothing_shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "shipped_folder", lambda: tmp_path / "shipped")


def test_the_catalogue_has_the_eleven_official_models() -> None:
    assert len(zoo.OFFICIAL) == 11
    for entry in zoo.OFFICIAL.values():
        assert entry.url == f"{zoo.BASE_URL}/{entry.path}/checkpoint.npz"
        assert entry.name.startswith(entry.task)
        assert entry.card().figures


def test_each_parameter_count_of_the_catalogue_is_its_variants() -> None:
    import torch

    from restore.networks.maxim.network import Maxim

    for entry in zoo.OFFICIAL.values():
        with torch.device("meta"):
            model = Maxim(entry.card().network)
        unread = weights.unread(model)
        stored = sum(p.numel() for name, p in model.named_parameters() if name not in unread)
        assert stored == entry.parameters


@pytest.mark.usefixtures("nothing_shipped")
def test_a_head_without_weights_says_how_to_get_them(home: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="restore weights pull enhance-lol"):
        store.find("enhance")
    with pytest.raises(ModelNotFoundError, match="restore weights pull enhance-fivek"):
        store.find("enhance", "enhance-fivek")
    with pytest.raises(ModelNotFoundError, match="restore models"):
        store.find("enhance", "no-such-model")


@pytest.mark.usefixtures("nothing_shipped")
def test_a_downloaded_model_is_found_by_name_and_by_task(home: Path) -> None:
    (home / "models").mkdir()
    path = save_model(home / "models", name="enhance-lol", task="enhance")
    assert store.find("enhance").path == path
    assert store.find("enhance", "enhance-lol").origin == "downloaded"
    assert store.entry("enhance-lol").state == "downloaded"


@pytest.mark.usefixtures("nothing_shipped")
def test_the_default_is_a_model_of_the_task(home: Path) -> None:
    (home / "models").mkdir()
    save_model(home / "models", name="enhance-lol", task="deblur")
    with pytest.raises(ModelNotFoundError):
        store.find("enhance")
    assert store.find("deblur").path.stem == "enhance-lol"


def test_the_catalogue_goes_head_by_head_and_names_qualities(home: Path) -> None:
    (home / "models").mkdir()
    path = save_model(home / "models", name="enhance-lol", task="enhance")
    entries = {entry.card.name: entry for entry in store.catalogue()}
    heads = [entry.card.task for entry in entries.values()]
    assert heads == sorted(heads, key=list(HEADS).index)
    assert (entries["enhance-lol"].state, entries["enhance-lol"].path) == ("downloaded", path)
    assert entries["enhance-lol"].size == path.stat().st_size
    assert entries["deblur-gopro"].size == 4 * 22_207_605
    assert entries["deblur-gopro"].path is None
    assert {name: entry.quality for name, entry in entries.items() if entry.quality == "best"} == {
        head.best: "best" for head in HEADS.values()
    }
    assert entries["derain-small"].quality == "fast"
    assert entries["derain-raindrop"].quality == ""


def test_an_onnx_file_without_weights_is_in_the_catalogue(home: Path) -> None:
    (home / "onnx").mkdir()
    path = home / "onnx" / "deblur-gopro.onnx"
    path.write_bytes(b"graph")
    entry = store.entry("deblur-gopro")
    assert (entry.state, entry.path, entry.size) == ("exported", path, 5)
    assert entry.installed
    (home / "models").mkdir()
    save_model(home / "models", name="deblur-gopro", task="deblur")
    assert store.entry("deblur-gopro").state == "downloaded"  # the weights come first


def test_an_entry_is_found_by_name_or_by_file(home: Path, tmp_path: Path) -> None:
    assert store.entry("deblur-gopro").state == "available"
    path = save_model(tmp_path, name="mine", task="derain")
    assert store.entry(str(path)).path == path
    with pytest.raises(ModelNotFoundError, match="restore models"):
        store.entry("nothing")
