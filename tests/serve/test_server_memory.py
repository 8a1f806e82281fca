"""Memory of a server that answers many requests."""

from __future__ import annotations

import sys
from pathlib import Path

import psutil
import pytest
from models import save_model
from serving import png, serving

REQUESTS = 500
SETTLED = 150
"""Requests after which everything that stays has been made."""


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(sys.platform != "linux", reason="other systems return memory late")
def test_memory_does_not_grow_over_500_requests(tmp_path: Path) -> None:
    models = tmp_path / "home" / "models"
    models.mkdir(parents=True)
    save_model(models, name="denoise-sidd")  # what quality "best" finds
    with serving(tmp_path / "tmp", home=models.parent) as server:
        process, settled = psutil.Process(server.process.pid), 0
        for number in range(REQUESTS):
            answer = server.client.post(
                "/api/restore/denoise?quality=best",
                files={"file": ("in.png", png(64, 64, number))},
            )
            assert answer.status_code == 200, answer.text
            if number == SETTLED:
                settled = process.memory_info().rss
        grown = process.memory_info().rss - settled
        assert grown < 12 << 20, f"{grown / 2**20:.1f} MiB"
        assert not server.left()
        assert len(process.open_files()) < 20
