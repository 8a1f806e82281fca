"""Where models are found, and `pull` against a real local server."""

from __future__ import annotations

import io
from pathlib import Path

import golden_cases
import numpy as np
import pytest
from http_server import Answer, Server
from models import save_model

from restore.checkpoints import store, zoo
from restore.errors import CheckpointError, DownloadError, ModelNotFoundError
from restore.files import sha256_of
from restore.networks.maxim import VARIANTS, MaximConfig

NAME = "derain-raindrop"
PATH = "/Deraining/Raindrop/checkpoint.npz"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RESTORE_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def nothing_shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "shipped_folder", lambda: tmp_path / "shipped")


@pytest.fixture
def small_release(monkeypatch: pytest.MonkeyPatch) -> bytes:
    """Make the S-2 of the catalogue small, so that its checkpoint is a real but light one."""
    case = golden_cases.load(golden_cases.HERE, "small")
    monkeypatch.setitem(VARIANTS, "S-2", MaximConfig.from_dict(case.config))  # type: ignore[arg-type]
    content = io.BytesIO()
    np.savez(content, **case.arrays)
    return content.getvalue()


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
        assert sum(p.numel() for p in model.parameters()) == entry.parameters


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
    assert ("enhance-lol", "downloaded") in [(c.name, o) for c, o in store.catalogue()]


def test_pull_downloads_converts_and_records(
    home: Path, small_release: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Server() as server:
        monkeypatch.setenv(
            "RESTORE_WEIGHTS_URL", server.serve(PATH, Answer(body=small_release)).removesuffix(PATH)
        )
        model = store.pull(NAME)
        again = store.pull(NAME)
        assert len(server.requests) == 1
    assert model == again
    assert model.path == home / "models" / f"{NAME}.safetensors"
    assert (
        store.find("derain", NAME).card.source["sha256"]
        == ((home / "models" / f"{NAME}.npz.sha256").read_text().split()[0])
    )
    assert list((home / "downloads").glob("*.npz")) == []
    assert [problem for path, problem in store.verify_all() if path == model.path] == [None]


def test_a_later_download_must_be_the_file_of_the_first(
    home: Path, small_release: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Server() as server:
        url = server.serve(PATH, Answer(body=small_release), Answer(body=small_release[:-1] + b"!"))
        monkeypatch.setenv("RESTORE_WEIGHTS_URL", url.removesuffix(PATH))
        model = store.pull(NAME)
        model.path.unlink()
        with pytest.raises(DownloadError, match="SHA-256"):
            store.pull(NAME)
    assert not model.path.exists()


def test_a_demanded_hash_is_demanded(
    home: Path, small_release: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    right = tmp_path / "right.npz"
    right.write_bytes(small_release)
    with Server() as server:
        url = server.serve(PATH, Answer(body=small_release))
        monkeypatch.setenv("RESTORE_WEIGHTS_URL", url.removesuffix(PATH))
        with pytest.raises(DownloadError, match="expected 0000"):
            store.pull(NAME, sha256="0" * 64)
        store.pull(NAME, sha256=sha256_of(right).upper())
        with pytest.raises(CheckpointError, match="recorded"):
            store.pull(NAME, sha256="0" * 64)


def test_what_is_no_checkpoint_is_not_installed(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Server() as server:
        url = server.serve(PATH, Answer(body=b"<html>sign in first</html>"))
        monkeypatch.setenv("RESTORE_WEIGHTS_URL", url.removesuffix(PATH))
        with pytest.raises(CheckpointError, match="archive"):
            store.pull(NAME)
    assert list((home / "models").glob("*.safetensors")) == []
    assert not (home / "models" / f"{NAME}.npz.sha256").exists()
    assert list((home / "downloads").glob("*.npz")) == []


def test_a_damaged_download_is_replaced_by_pulling_again(
    home: Path, small_release: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Server() as server:
        url = server.serve(PATH, Answer(body=small_release))
        monkeypatch.setenv("RESTORE_WEIGHTS_URL", url.removesuffix(PATH))
        path = store.pull(NAME).path
        good = path.read_bytes()
        path.write_bytes(good[:-1])
        store.pull(NAME)
        assert path.read_bytes() == good
        with pytest.raises(CheckpointError):
            store.pull(NAME, sha256="")  # an unset shell variable is not "any file will do"


@pytest.mark.usefixtures("nothing_shipped")
def test_the_default_is_a_model_of_the_task(home: Path) -> None:
    (home / "models").mkdir()
    save_model(home / "models", name="enhance-lol", task="deblur")
    with pytest.raises(ModelNotFoundError):
        store.find("enhance")
    assert store.find("deblur").path.stem == "enhance-lol"


def test_verify_names_the_damaged_one(home: Path) -> None:
    (home / "models").mkdir()
    path = save_model(home / "models", name="enhance-lol", task="enhance")
    path.write_bytes(path.read_bytes()[:-1])
    problems = dict(store.verify_all())
    assert "damaged" in (problems.pop(path) or "")
    assert set(problems.values()) <= {None}
