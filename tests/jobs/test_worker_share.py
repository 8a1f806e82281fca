"""Shares of a cluster."""

from __future__ import annotations

import pytest

from restore.errors import RestoreError
from restore.jobs.worker_share import WorkerShare, share_nodes

SMALL = [{"CPU": 2.0}] * 3
LARGE = [{"CPU": 64.0}, {"CPU": 2.0}, {}]
GPUS = [{"CPU": 16.0, "GPU": 4.0}, {"CPU": 8.0}]


@pytest.mark.parametrize(
    ("nodes", "workers", "device", "share"),
    [
        (SMALL, None, "auto", WorkerShare(3, 2, 0, 1)),
        (SMALL, 2, "auto", WorkerShare(2, 2, 0, 1)),
        (SMALL, 4, "auto", WorkerShare(4, 1, 0, 2)),
        (SMALL, 99, "cpu", WorkerShare(6, 1, 0, 2)),
        (LARGE, None, "auto", WorkerShare(16, 4, 0, 16)),
        (LARGE, 1, "auto", WorkerShare(1, 64, 0, 1)),
        (GPUS, None, "auto", WorkerShare(4, 1, 1, 1)),
        (GPUS, 8, "cuda", WorkerShare(8, 1, 0.5, 2)),
        (GPUS, None, "cpu", WorkerShare(6, 4, 0, 4)),
    ],
)
def test_workers_fit_the_nodes(
    nodes: list[dict[str, float]], workers: int | None, device: str, share: WorkerShare
) -> None:
    assert share_nodes(nodes, workers, device) == share


def test_refuses_devices_that_no_node_has() -> None:
    with pytest.raises(RestoreError, match="no GPUs; use device='cpu'"):
        share_nodes(SMALL, None, "cuda")
    with pytest.raises(RestoreError, match="no CPUs"):
        share_nodes([{}], None, "auto")
