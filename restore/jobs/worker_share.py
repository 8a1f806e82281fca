"""Share of a cluster's CPUs and GPUs that each worker gets."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from restore.errors import RestoreError

_CPUS = 4
"""Most CPUs of a worker, unless fewer workers are asked for than there could be: threads gain less
and less, and memory is used by each worker."""


@dataclass(frozen=True)
class WorkerShare:
    """``count``: number of workers.
    ``cpus``, ``gpus``: of each. ``gpus`` may be a fraction.
    ``on_a_node``: most workers that share the memory of a machine or a GPU.
    """

    count: int
    cpus: int
    gpus: float
    on_a_node: int


def share_nodes(
    nodes: Sequence[Mapping[str, float]], workers: int | None, device: str
) -> WorkerShare:
    """Divide the nodes of a cluster, given by their "CPU" and "GPU", among workers.

    Each worker has a GPU and a CPU where there are GPUs, else up to 4 CPUs of one node. Given
    ``workers`` get as many CPUs as fit, or share the GPUs.

    Raises `RestoreError` for a cluster without the ``device``: "auto", "cpu" or "cuda".
    """
    gpus = int(sum(node.get("GPU", 0) for node in nodes))
    if gpus and device != "cpu":
        count = workers or gpus
        on_each = math.ceil(count / gpus)
        return WorkerShare(count, 1, 1 / on_each, on_each)
    if device == "cuda":
        raise RestoreError("the Ray cluster has no GPUs; use device='cpu'")
    cpus = [int(node.get("CPU", 0)) for node in nodes]
    if not sum(cpus):
        raise RestoreError("the Ray cluster has no CPUs for workers")
    most = max(cpus)
    if workers is None:
        each = min(_CPUS, most)
    else:
        fitting = (c for c in range(most, 0, -1) if sum(n // c for n in cpus) >= workers)
        each = next(fitting, 1)
    room = sum(n // each for n in cpus)
    return WorkerShare(min(workers or room, room), each, 0, most // each)
