"""From nothing to a restored picture: pull an official checkpoint, list it, verify it, use it."""

from __future__ import annotations

import io
from pathlib import Path

import golden_cases
import numpy as np
import pytest
import torch
from command import restore
from http_server import Answer, Server
from PIL import Image

from restore.checkpoints import official, zoo
from restore.networks.maxim.network import Maxim

NAME = "derain-raindrop"


@pytest.fixture(scope="module")
def checkpoint() -> bytes:
    """A checkpoint of the right shapes, in the format of the release: 57 MB."""
    with torch.device("meta"):
        shapes = official.official_shapes(Maxim(zoo.OFFICIAL[NAME].card().network))
    content = io.BytesIO()
    np.savez(content, **golden_cases.draw({k: list(v) for k, v in shapes.items()}, seed=2))
    return content.getvalue()


@pytest.mark.slow
def test_pull_verify_list_and_use(checkpoint: bytes, tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 60, 3), np.uint8)).save(photo)
    with Server() as server:
        path = f"/{zoo.OFFICIAL[NAME].path}/checkpoint.npz"
        # The connection is cut halfway; the same command finishes by itself.
        half = len(checkpoint) // 2
        server.serve(path, Answer(body=checkpoint, cut=half), Answer(body=checkpoint))
        pulled = restore("weights", "pull", NAME, home=tmp_path, RESTORE_WEIGHTS_URL=server.url)
        assert pulled.code == 0, pulled.stderr
        assert [r.range for r in server.requests] == [None, f"bytes={half}-"]
    assert f"--model {NAME}" in pulled.stdout
    assert "MB of" in pulled.stderr  # plain progress lines in a pipe
    assert f"{NAME}.safetensors" in restore("weights", "verify", home=tmp_path).stdout
    out = tmp_path / "out.png"
    used = restore("derain", photo, out, "--model", NAME, home=tmp_path)
    assert used.code == 0, used.stderr
    with Image.open(out) as image:
        assert image.size == (60, 50)
    assert "downloaded" in restore("models", home=tmp_path).stdout
