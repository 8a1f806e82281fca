"""Pulling from the bucket, against a real local server, and converting local files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import packages
import pytest
from http_server import Answer, Server
from release import PINNED, Release

from restore.checkpoints import acquire, official_figures, store, verdict, weights, zoo
from restore.checkpoints.card import read_card
from restore.errors import CheckpointError, DownloadError, ModelNotFoundError, UsageError
from restore.files import sha256_of
from restore.networks.maxim import VARIANTS

NAME = "derain-raindrop"
PATH = "/Deraining/Raindrop/checkpoint.npz"


@pytest.fixture
def small_release(release: Release) -> bytes:
    return release.unpinned


def test_pull_downloads_converts_and_records(
    home: Path, small_release: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Server() as server:
        monkeypatch.setenv(
            "RESTORE_WEIGHTS_URL", server.serve(PATH, Answer(body=small_release)).removesuffix(PATH)
        )
        model = acquire.pull(NAME)
        again = acquire.pull(NAME)
        assert len(server.requests) == 1
    assert model == again
    assert model.path == home / "models" / f"{NAME}.safetensors"
    assert (
        store.find("derain", NAME).card.source["sha256"]
        == ((home / "models" / f"{NAME}.npz.sha256").read_text().split()[0])
    )
    assert list((home / "downloads").glob("*.npz")) == []
    assert verdict.examine(model.path).word == "ok"


def test_a_later_download_must_be_the_file_of_the_first(
    home: Path, small_release: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Server() as server:
        url = server.serve(PATH, Answer(body=small_release), Answer(body=small_release[:-1] + b"!"))
        monkeypatch.setenv("RESTORE_WEIGHTS_URL", url.removesuffix(PATH))
        model = acquire.pull(NAME)
        model.path.unlink()
        with pytest.raises(DownloadError, match="SHA-256"):
            acquire.pull(NAME)
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
            acquire.pull(NAME, sha256="0" * 64)
        acquire.pull(NAME, sha256=sha256_of(right).upper())
        with pytest.raises(CheckpointError, match="recorded"):
            acquire.pull(NAME, sha256="0" * 64)


def test_what_is_no_checkpoint_is_not_installed(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Server() as server:
        url = server.serve(PATH, Answer(body=b"<html>sign in first</html>"))
        monkeypatch.setenv("RESTORE_WEIGHTS_URL", url.removesuffix(PATH))
        with pytest.raises(CheckpointError, match="archive"):
            acquire.pull(NAME)
    assert list((home / "models").glob("*.safetensors")) == []
    assert not (home / "models" / f"{NAME}.npz.sha256").exists()
    assert list((home / "downloads").glob("*.npz")) == []


def test_a_damaged_download_is_replaced_by_pulling_again(
    home: Path, small_release: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Server() as server:
        url = server.serve(PATH, Answer(body=small_release))
        monkeypatch.setenv("RESTORE_WEIGHTS_URL", url.removesuffix(PATH))
        path = acquire.pull(NAME).path
        good = path.read_bytes()
        path.write_bytes(good[:-1])
        acquire.pull(NAME)
        assert path.read_bytes() == good
        with pytest.raises(UsageError):
            acquire.pull(NAME, sha256="")  # an unset shell variable is not "any file will do"


# The sources of a known model


def test_both_sources_give_the_same_file(home: Path, release: Release, tmp_path: Path) -> None:
    files = []
    for source in (release.npz_path, release.tgz, release.folder):
        target = tmp_path / f"{source.name}.safetensors"
        acquire.convert(source, target)
        files.append(target.read_bytes())
    assert files[0] == files[1] == files[2]
    assert verdict.examine(target).word == "official"


def test_known_content_brings_its_card(release: Release, tmp_path: Path) -> None:
    target = tmp_path / "mine.safetensors"
    card = acquire.convert(release.tgz, target)
    published = zoo.OFFICIAL[PINNED].card()
    official = official_figures.merged(published, acquire.official_folder())
    assert set(published.figures) < set(official.figures)
    assert card == read_card(target)
    for field in ("name", "task", "variant", "licence", "training_data", "figures", "sha256"):
        assert getattr(card, field) == getattr(official, field), field
    assert card.source == {"file": release.tgz.name, "sha256": sha256_of(release.tgz)}
    assert not any("output_convs.1" in name for name in stored(target))
    assert card.parameters == sum(a.size for a in packages.traced(packages.small_arrays()).values())


def stored(target: Path) -> list[str]:
    length = int.from_bytes(target.read_bytes()[:8], "little")
    return list(json.loads(target.read_bytes()[8 : 8 + length]))


def test_options_that_contradict_known_content_are_refused(
    release: Release, tmp_path: Path
) -> None:
    target = tmp_path / "mine.safetensors"
    for options in ({"task": "deblur"}, {"variant": "S-3"}):
        with pytest.raises(UsageError, match=f"is {PINNED} .*leave out task"):
            acquire.convert(release.tgz, target, **options)
    assert not target.exists()
    acquire.convert(release.tgz, target, "derain", "S-2")


def test_other_content_needs_a_head_and_finds_its_variant(
    release: Release, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrays = packages.traced(packages.small_arrays())
    arrays["stage_0_input_conv_0/bias"] = arrays["stage_0_input_conv_0/bias"] + np.float32(1)
    path = packages.package(arrays).write_tgz(tmp_path / "other.tgz")
    target = tmp_path / "mine.safetensors"
    with pytest.raises(UsageError, match="name its head with task='HEAD'"):
        acquire.convert(path, target)
    card = acquire.convert(path, target, "enhance")
    assert (card.name, card.task, card.variant) == ("mine", "enhance", "S-2")
    assert card.licence == "unknown"
    assert verdict.examine(target).word == "ok"
    monkeypatch.setitem(VARIANTS, "S-2", VARIANTS["S-1"])  # type: ignore[index]
    with pytest.raises(UsageError, match="name one with variant='NAME'"):
        acquire.convert(path, tmp_path / "other.safetensors", "enhance")


@pytest.mark.parametrize("kind", ["npz_path", "tgz", "folder"])
def test_a_local_source_is_proven_by_its_content(home: Path, release: Release, kind: str) -> None:
    model = acquire.pull(PINNED, source=str(getattr(release, kind)))
    assert model.path == home / "models" / f"{PINNED}.safetensors"
    assert verdict.examine(model.path).word == "official"
    assert weights.load(model.path).config == VARIANTS["S-2"]


def test_a_local_source_of_another_model_is_refused(home: Path, release: Release) -> None:
    with pytest.raises(CheckpointError, match=f"is {PINNED}, expected dehaze-sots-indoor"):
        acquire.pull("dehaze-sots-indoor", source=str(release.tgz))
    assert list((home / "models").glob("*.safetensors")) == []
    assert release.tgz.exists()  # the user's own


def test_a_model_without_pins_is_not_taken_for_a_known_one(home: Path, release: Release) -> None:
    with pytest.raises(CheckpointError, match=f"is {PINNED}, expected {NAME}"):
        acquire.pull(NAME, source=str(release.tgz))


def test_a_changed_parameter_is_not_the_official_model(
    home: Path, release: Release, tmp_path: Path
) -> None:
    arrays = packages.small_arrays()
    arrays["stage_0_input_conv_0/bias"] = arrays["stage_0_input_conv_0/bias"] + np.float32(1)
    path = packages.package(packages.traced(arrays)).write_tgz(tmp_path / "other.tgz")
    with pytest.raises(CheckpointError, match="is not a known official checkpoint, expected"):
        acquire.pull(PINNED, source=str(path))


def test_a_demanded_hash_holds_for_a_local_source(home: Path, release: Release) -> None:
    with pytest.raises(CheckpointError, match="expected 0000"):
        acquire.pull(PINNED, "0" * 64, source=str(release.tgz))
    acquire.pull(PINNED, sha256_of(release.tgz), source=str(release.tgz))


def test_a_model_that_is_installed_is_not_fetched(home: Path, release: Release) -> None:
    first = acquire.pull(PINNED, source=str(release.tgz))
    assert acquire.pull("derain", source="npm") == first


def test_a_head_stands_for_its_recommended_model(home: Path) -> None:
    assert acquire.named("derain") is zoo.OFFICIAL["derain-rain13k"]
    assert acquire.named("Deraining/Raindrop") is zoo.OFFICIAL["derain-raindrop"]
    with pytest.raises(ModelNotFoundError, match="no official checkpoint"):
        acquire.named("derain-small")


def test_an_unknown_source_is_wrong_usage(home: Path) -> None:
    with pytest.raises(UsageError, match="is neither a file nor auto, bucket or npm"):
        acquire.pull(NAME, source="ftp")
