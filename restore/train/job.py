"""A whole run, from folders of pictures to a model file."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch

from restore.checkpoints import weights
from restore.checkpoints.card import TrainingSet
from restore.degrade.recipes import RECIPES
from restore.engine.precision import choose_device
from restore.errors import ConfigError, TrainingError
from restore.network import Maxim
from restore.tasks import TASKS
from restore.train.config import TrainConfig
from restore.train.data import Sampler, TrainingData, read_clean, read_pairs
from restore.train.export import export
from restore.train.loop import Progress, Trainer

LOG = "log.csv"


@dataclass(frozen=True)
class Plan:
    """``start_from``: a model to fine-tune, or None for fresh weights."""

    config: TrainConfig
    start_from: Maxim | None


def plan(task: str, config: Path | None = None, init: str | None = None, **changes: Any) -> Plan:
    """The run that a JSON file of `TrainConfig` fields and the given changes describe.

    ``init`` names a model whose weights and network are taken. Raises `ConfigError` or
    `CheckpointError`.
    """
    if task not in TASKS or TASKS[task].degradation not in RECIPES:
        trainable = ", ".join(name for name, t in TASKS.items() if t.degradation in RECIPES)
        raise ConfigError(f"no training recipe for {task!r}; there is one for {trainable}")
    values: dict[str, Any] = {}
    if config is not None:
        try:
            values = json.loads(config.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ConfigError(f"{config}: cannot be read as JSON: {error}") from error
        if not isinstance(values, dict):
            raise ConfigError(f"{config}: must hold a JSON object of training fields")
    values |= {"task": task} | {k: v for k, v in changes.items() if v is not None}
    start_from = None
    if init is not None:
        from restore.checkpoints import store

        found = store.find(task, init)
        start_from = weights.load(found.path, found.card).requires_grad_(True).train()
        values["network"] = found.card.network.to_dict()
    return Plan(TrainConfig.from_dict(values), start_from)


def run(
    plan: Plan,
    folder: Path,
    *,
    clean: tuple[Path, ...] = (),
    pairs: tuple[Path, ...] = (),
    out: Path | None = None,
    overwrite: bool = False,
    licence: str = "unknown",
    device: str = "auto",
    threads: int | None = None,
    say: Callable[[str], None] = print,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> str:
    """Train to the end, continuing whatever state ``folder`` holds, and return a summary line.

    ``folder`` gets ``log.csv``, one row a report, and the state. ``out`` gets the averaged
    weights, with ``licence`` on their card. Raises `TrainingError` for data or a state that
    cannot be used, and `CheckpointError` where ``out`` cannot be written.
    """
    if out is not None:
        weights.check_target(out, overwrite)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrainingError(f"{folder}: cannot be a run's folder: {error.strerror}") from error
    if threads is not None:
        torch.set_num_threads(threads)
    data = TrainingData(
        tuple(p for path in clean for p in read_clean(path)),
        tuple(p for path in pairs for p in read_pairs(path)),
    )
    sampler = Sampler(data, plan.config, RECIPES[TASKS[plan.config.task].degradation])
    trainer = Trainer(plan.config, sampler, folder, choose_device(device), plan.start_from)
    if trainer.resume():
        say(f"{folder}: resuming at step {trainer.step:,} of {plan.config.steps:,}")
    log = _Log(folder)
    reported = trainer.patches

    def report(row: Progress) -> None:
        nonlocal reported
        log.append(row)
        progress(row.step, row.steps)
        speed = (row.patches - reported) / max(row.seconds, 1e-9)
        reported = row.patches
        say(
            f"step {row.step:,} of {row.steps:,}  loss {row.loss:.4f}  PSNR {row.psnr:.2f}  "
            f"{row.patches:,} patches  {speed:.1f} patches/s  waiting {row.waiting:.0%}"
        )

    trainer.run(report)
    summary = f"{folder}: {trainer.step:,} steps, {trainer.patches:,} patches"
    if out is not None:
        used = tuple(TrainingSet(path.name, "unknown") for path in clean + pairs)
        card = export(trainer, out, used, licence)
        summary += f" -> {out} ({card.parameters:,} parameters)"
    return summary


class _Log:
    """``log.csv``: a header once, then a row a report, each flushed."""

    def __init__(self, folder: Path):
        self.path = folder / LOG

    def append(self, row: Progress) -> None:
        names = [f.name for f in fields(row)]
        try:
            fresh = not self.path.exists()
            with open(self.path, "a", newline="", encoding="utf-8") as file:
                writer = csv.writer(file)
                if fresh:
                    writer.writerow(names)
                writer.writerow([getattr(row, name) for name in names])
        except OSError as error:
            raise TrainingError(f"{self.path}: cannot be written: {error.strerror}") from error
