from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from downloading import PROXIES
from http_server import Server
from release import Release, make

from restore.checkpoints import download as module


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        yield server


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "model.npz"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BACKOFF", 0.001)
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RESTORE_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="session")
def made_release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    return make(tmp_path_factory.mktemp("release"))


@pytest.fixture
def release(made_release: Release, monkeypatch: pytest.MonkeyPatch) -> Release:
    made_release.publish(monkeypatch)
    return made_release
