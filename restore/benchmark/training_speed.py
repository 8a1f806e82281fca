"""Training speed on this machine: the real loop on synthetic images, timed step by step."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from restore.benchmark.machine_peak import convolution_peak
from restore.degrade.recipes import RECIPES
from restore.heads import HEADS
from restore.networks import NetworkConfig, build
from restore.train.config import TrainConfig
from restore.train.data import Sampler
from restore.train.devices import assemble
from restore.train.job import Hardware
from restore.train.loop import Progress, Trainer
from restore.train.sources import CLEAN, Pictures, Source

SIDE = 128
PICTURES, PICTURE_SIDE = 16, 512
WARM_UP = 3
BACKWARD = 3
"""A step takes about three times the operations of the forward pass alone."""


@dataclass(frozen=True)
class Throughput:
    """Figures of a run on patches of 128 x 128. ``spread``: interquartile range of the step times
    divided by their median. ``of_peak``: fraction of the machine's convolution peak
    (`restore.benchmark.machine_peak`) that the network's operations reach; the time includes data
    and optimizer."""

    task: str
    device: str
    processes: int
    threads: int
    precision: str
    patches_per_step: int
    patches_per_second: float
    seconds_per_step: float
    spread: float
    waiting: float
    of_peak: float
    steps: int


def measure(config: TrainConfig, place: Hardware, seconds: float) -> Throughput | None:
    """Train for about ``seconds`` and discard the result; returns None in all processes except the
    first.

    The images are smoothed noise: their content does not affect the time.
    """
    config = replace(config, patches=((SIDE, SIDE),), steps=10**9)
    team = assemble(place.device, place.devices)
    if place.threads is not None:
        torch.set_num_threads(place.threads)
    pictures = Pictures(Source(CLEAN, Path("made up")), tuple((p,) for p in _pictures()))
    recipe = RECIPES[HEADS[config.task].degradation]
    times: list[float] = []
    waited: list[float] = []
    deadline = 0.0

    def report(row: Progress) -> None:
        times.append(row.seconds)
        waited.append(row.waiting * row.seconds)

    def enough() -> bool:
        nonlocal deadline
        if len(times) == WARM_UP:
            deadline = time.monotonic() + seconds
        return len(times) > WARM_UP and time.monotonic() > deadline

    with tempfile.TemporaryDirectory() as folder:
        sampler = Sampler([pictures], config, recipe, team.device)
        trainer = Trainer(config, sampler, Path(folder), team)
        trainer.run(report, report_every=1, should_stop=enough)
    if team.rank != 0:
        return None
    times, waited = times[WARM_UP:], waited[WARM_UP:]
    step = median(times)
    patches = max(1, round(config.pixels_per_step / SIDE**2)) * config.batches_per_step
    dtype = torch.bfloat16 if trainer.bfloat16 else torch.float32
    operations = BACKWARD * patches * _forward_operations(config.network)
    peak = convolution_peak(team.device, dtype) * team.size
    low, high = np.percentile(times, (25, 75))
    return Throughput(
        task=config.task,
        device=_name(team.device),
        processes=team.size,
        threads=torch.get_num_threads(),
        precision=str(dtype).removeprefix("torch."),
        patches_per_step=patches,
        patches_per_second=patches / step,
        seconds_per_step=step,
        spread=float(high - low) / step,
        waiting=sum(waited) / sum(times),
        of_peak=operations / step / peak,
        steps=len(times),
    )


def _pictures() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (PICTURES, PICTURE_SIDE // 8, PICTURE_SIDE // 8, 3), np.uint8)
    return list(coarse.repeat(8, axis=1).repeat(8, axis=2))


def _forward_operations(network: NetworkConfig) -> int:
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        build(network)(torch.empty(1, 3, SIDE, SIDE))
    return int(counter.get_total_flops())


def _name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
