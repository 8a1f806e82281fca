from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from command import restore
from exported import tiny
from http_server import Answer, Server
from release import PINNED, Release, make

from restore import Restorer
from restore.checkpoints import download, store, weights
from restore.checkpoints.zoo import OFFICIAL
from restore.errors import CheckpointError, DownloadError, ModelNotFoundError, UnavailableError
from restore.export import pull
from restore.export.onnx import export
from restore.export.pull import install, obtain
from restore.files import sha256_of

IMAGE = np.random.default_rng(0).random((64, 64, 3), dtype=np.float32)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Release:
    return make(tmp_path_factory.mktemp("release"))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(download, "BACKOFF", 0.001)
    with Server() as server:
        monkeypatch.setenv("RESTORE_WEIGHTS_URL", server.url)
        yield server


@pytest.fixture
def home(made: Release, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made.publish(monkeypatch)
    monkeypatch.setenv("RESTORE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def want(made: Release) -> np.ndarray:
    """The result of `restored` in torch."""
    network = weights.load(made.npz_path.with_name("pinned.safetensors"))
    with torch.inference_mode():
        x = network(torch.from_numpy(IMAGE.transpose(2, 0, 1).copy())[None])
    return x[0].clamp(0, 1).numpy().transpose(1, 2, 0)


@pytest.fixture
def bare(made: Release, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """The ONNX file of `PINNED`, for a machine without the packages torch and onnx."""
    target = tmp_path / "made.onnx"
    model = store.Model(
        made.npz_path.with_name("pinned.safetensors"), store.card_of(PINNED), "file"
    )
    export(model, target)
    for name in ("has_torch", "can_export"):
        monkeypatch.setattr(pull, name, lambda: False)
    return target.read_bytes()


def done(done: int, total: int | None) -> None:
    """Progress that is not watched."""


def restored(model: str | None = None, quality: str | None = None) -> np.ndarray:
    restore = Restorer("derain", model, quality=quality, device="cpu", backend="onnxruntime")
    return restore(IMAGE)


def test_with_torch_an_official_checkpoint_is_converted_and_exported(
    made: Release, home: Path, server: Server, want: np.ndarray
) -> None:
    server.serve(f"/{OFFICIAL[PINNED].path}/checkpoint.npz", Answer(body=made.npz))
    path = install(obtain(PINNED, source="bucket"), done)
    assert path == home / "onnx" / f"{PINNED}.onnx"
    assert (home / "models" / f"{PINNED}.safetensors").is_file()
    np.testing.assert_allclose(restored(PINNED), want, rtol=0, atol=1e-4)


def test_without_torch_the_file_is_downloaded_and_found_by_name_and_by_quality(
    want: np.ndarray, bare: bytes, home: Path, server: Server
) -> None:
    half = len(bare) // 2
    server.serve(f"/{PINNED}.onnx", Answer(body=bare, cut=half), Answer(body=bare))
    told: list[int] = []
    path = install(obtain(PINNED, progress=lambda n, of: told.append(n)), done)
    assert path == home / "onnx" / f"{PINNED}.onnx"
    assert path.read_bytes() == bare
    assert [r.range for r in server.requests if r.range] == [f"bytes={half}-"]
    assert told[-1] == len(bare)
    np.testing.assert_allclose(restored(PINNED), want, rtol=0, atol=1e-4)
    np.testing.assert_allclose(restored(quality="best"), want, rtol=0, atol=1e-4)
    with pytest.raises(ModelNotFoundError, match=f"restore weights pull {PINNED}"):
        store.find("derain", PINNED)  # the weights are not here
    with pytest.raises(CheckpointError, match="fewer require the weights"):
        Restorer("derain", PINNED, stages=1, device="cpu", backend="onnxruntime")
    before = len(server.requests)
    assert install(obtain(PINNED), done) == path
    assert len(server.requests) == before  # it is here, with the SHA-256 of the first download


def test_a_download_must_have_the_sha256_that_the_place_lists(
    bare: bytes, home: Path, server: Server
) -> None:
    server.serve(f"/{PINNED}.onnx", Answer(body=bare))
    server.serve(f"/{PINNED}.onnx.sha256", Answer(body=b"0" * 64 + b"  file\n"))
    with pytest.raises(DownloadError, match="has SHA-256"):
        obtain(PINNED)
    assert not list(home.rglob("*.onnx"))
    server.serve(f"/{PINNED}.onnx.sha256", Answer(status=404))
    with pytest.raises(DownloadError, match="has SHA-256"):
        obtain(PINNED, sha256="1" * 64)
    path = obtain(PINNED).path
    assert path.with_name(f"{PINNED}.onnx.sha256").read_text().split()[0] == sha256_of(path)


@pytest.fixture
def other() -> bytes:
    """The ONNX file of another model."""
    return tiny().file.read_bytes()


def test_another_models_file_is_refused(
    other: bytes, bare: bytes, home: Path, server: Server
) -> None:
    for body, what in ((other, "was not exported"), (b"<html>", "is no ONNX")):
        server.serve(f"/{PINNED}.onnx", Answer(body=body))
        with pytest.raises(CheckpointError, match=what):
            obtain(PINNED)
        assert not list(home.rglob("*.onnx"))


def test_a_place_without_the_file_is_one_line_with_the_way_out(
    bare: bytes, home: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.serve(f"/{PINNED}.onnx", Answer(status=404))
    with pytest.raises(UnavailableError) as caught:
        obtain(PINNED)
    message = str(caught.value)
    assert "\n" not in message
    assert "404" in message
    assert f"restore weights pull {PINNED} --onnx" in message
    assert str(home / "onnx") in message
    before = len(server.requests)
    monkeypatch.delenv("RESTORE_WEIGHTS_URL")
    with pytest.raises(UnavailableError, match=rf"no public server has {PINNED}\.onnx; .* --onnx"):
        obtain(PINNED)
    assert len(server.requests) == before
    with pytest.raises(ModelNotFoundError, match="no model is called 'none'"):
        obtain("none")


def test_a_shipped_model_is_exported_by_the_command(tmp_path: Path) -> None:
    outcome = restore("weights", "pull", "denoise-small", "--onnx", home=tmp_path)
    assert outcome.code == 0, outcome.stderr
    assert "--model denoise-small --backend onnxruntime" in outcome.stdout
    assert [path.name for path in (tmp_path / "onnx").iterdir()] == ["denoise-small.onnx"]
    quiet = restore("weights", "pull", "denoise-small", "--onnx", "--quiet", home=tmp_path)
    assert (quiet.code, quiet.stdout, quiet.stderr) == (0, "", "")
