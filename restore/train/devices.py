"""One process or several: how they divide a step, and how they agree.

Lightning Fabric starts the processes (or joins those of ``torchrun``). Each process averages its
own batches, then all average their gradients.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from restore.engine.precision import choose_device
from restore.errors import TrainingError, UsageError, pip_install

_TORCHRUN = "TORCHELASTIC_RUN_ID"


class Team:
    """A single process. ``device``: where it computes."""

    rank = 0
    size = 1

    def __init__(self, device: torch.device):
        self.device = device

    def mean(self, value: Tensor) -> Tensor:
        """Return the average over all processes; the same bits in all of them."""
        return value

    def wait(self) -> None:
        """Wait until all processes are here."""


class Processes(Team):
    """This process among those that Fabric has started."""

    def __init__(self, fabric: Any):
        super().__init__(fabric.device)
        self.rank = fabric.global_rank
        self.size = fabric.world_size
        self._fabric = fabric

    def mean(self, value: Tensor) -> Tensor:
        with _losing_nobody():
            shared: Tensor = self._fabric.all_reduce(value, reduce_op="mean")
        return shared

    def wait(self) -> None:
        with _losing_nobody():
            self._fabric.barrier()


@contextmanager
def _losing_nobody() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise TrainingError(f"another process of this training has ended: {error}") from error


def processes(devices: int) -> int:
    """Return the number of training processes: that of ``torchrun``, else ``devices``."""
    return int(os.environ["WORLD_SIZE"]) if _TORCHRUN in os.environ else devices


def assemble(device: str, devices: int) -> Team:
    """Start ``devices`` processes on this machine, one for each device, or join those that
    ``torchrun`` started.

    The other processes run the same command again and arrive here as well. Raises `TrainingError`
    if Fabric is missing or fails.
    """
    chosen = choose_device(device)
    if processes(devices) == 1:
        return Team(chosen)
    nodes = 1
    if _TORCHRUN in os.environ:
        devices = int(os.environ["LOCAL_WORLD_SIZE"])
        nodes = processes(devices) // devices
    if chosen.index is not None:
        raise UsageError(
            f"device={device} names one device; with devices={devices} give its kind alone"
        )
    if chosen.type == "cuda" and devices > torch.cuda.device_count():
        raise UsageError(f"devices={devices}: this machine has {torch.cuda.device_count()} GPUs")
    try:
        from lightning_fabric import Fabric
        from lightning_fabric.utilities.exceptions import MisconfigurationException
    except ImportError:
        raise TrainingError(
            f"training on several devices needs Lightning Fabric: {pip_install('train')}"
        ) from None
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # its greetings
    try:
        fabric = Fabric(accelerator=chosen.type, devices=devices, num_nodes=nodes, strategy="ddp")
        fabric.launch()
    except (RuntimeError, ValueError, TypeError, MisconfigurationException) as error:
        raise TrainingError(f"{devices} processes cannot be started: {error}") from error
    return Processes(fabric)
