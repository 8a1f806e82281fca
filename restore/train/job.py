"""A whole run, from folders of pictures to a model file."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from restore.checkpoints import weights
from restore.checkpoints.card import Card
from restore.degrade.recipes import RECIPES
from restore.errors import ConfigError, RestoreError
from restore.interrupt import deferred
from restore.networks.base import RestorationNetwork
from restore.tasks import TASKS
from restore.train.align import aligned
from restore.train.config import TrainConfig
from restore.train.data import Sampler
from restore.train.devices import assemble, processes
from restore.train.export import export
from restore.train.loop import Progress, Trainer, check_shares
from restore.train.record import Record, claimed
from restore.train.sources import NOUNS, Source, read
from restore.train.validate import Validation


@dataclass(frozen=True)
class Plan:
    """What to train, on what. ``start_from``: a model to fine-tune, or None for fresh weights."""

    config: TrainConfig
    sources: tuple[Source, ...]
    start_from: RestorationNetwork | None = None
    ancestor: Card | None = None
    """The card of the model to fine-tune."""


@dataclass(frozen=True)
class Place:
    """Where a run happens: ``devices`` processes on the device of that kind, each with so many CPU
    ``threads`` (None: torch's choice)."""

    device: str = "auto"
    devices: int = 1
    threads: int | None = None


def plan(
    task: str,
    sources: Sequence[Source],
    config: Path | None = None,
    init: str | None = None,
    devices: int = 1,
    **changes: Any,
) -> Plan:
    """The run that a JSON file of `TrainConfig` fields and the given changes describe.

    ``init`` names a model, of whatever task, whose weights and network are taken. Where nothing
    says how many batches a step sees, it is one for each process. Raises `ConfigError` or
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
    values.setdefault("batches_per_step", processes(devices))
    start_from, ancestor = None, None
    if init is not None:
        from restore.checkpoints import store  # needs more than a bare machine has

        found = store.locate(init)
        ancestor = found.card
        network = ancestor.network.to_dict()
        if values.setdefault("network", network) != network:
            raise ConfigError(f"{init} has another network than the configuration asks for")
        start_from = weights.load(found.path, ancestor).requires_grad_(True).train()
        values["init"] = f"{ancestor.name} {ancestor.sha256}"
    planned = TrainConfig.from_dict(values)
    check_shares(planned, processes(devices))
    return Plan(planned, tuple(sources), start_from, ancestor)


def run(
    plan: Plan,
    folder: Path,
    *,
    out: Path | None = None,
    overwrite: bool = False,
    licence: str = "unknown",
    place: Place = Place(),
    tensorboard: bool = False,
    say: Callable[[str], None] = print,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> str:
    """Train to the end, continuing whatever state ``folder`` holds, and return a summary line.

    ``folder`` gets the state and what `Record` writes. ``out`` gets the averaged weights, with
    ``licence`` on their card. Ctrl-C ends it after a step, saved, with `KeyboardInterrupt`. Raises
    `TrainingError` for data or a state that cannot be used, and `CheckpointError` where ``out``
    cannot be written.
    """
    if out is not None:
        weights.check_target(out, overwrite)
    recipe = RECIPES[TASKS[plan.config.task].degradation]
    pictures = [read(source) for source in plan.sources]
    if plan.config.align:
        pictures = [aligned(p) for p in pictures]
    split = [p.split(plan.config.holdout) for p in pictures]
    del pictures
    # What is wrong with the data has been said by now, once, not by every process.
    team = assemble(place.device, place.devices)
    if place.threads is not None:
        torch.set_num_threads(place.threads)
    sampler = Sampler([kept for kept, _ in split], plan.config, recipe, team.device)
    held = [held for _, held in split]
    counts = [(len(kept.items), len(held.items)) for kept, held in split]
    del split  # the sampler has copies on its device
    if team.rank != 0:
        return _follow(Trainer(plan.config, sampler, folder, team, plan.start_from))
    with claimed(folder):
        trainer = Trainer(plan.config, sampler, folder, team, plan.start_from)
        resumed = trainer.resume()
        team.wait()
        for source, (kept, left) in zip(plan.sources, counts, strict=True):
            say(f"{source.name}: {kept} {NOUNS[source.kind]} to train on, {left} held out")
        if resumed:
            say(f"{folder}: resuming at step {trainer.step:,} of {plan.config.steps:,}")
        record = Record(folder, trainer.step, tensorboard)
        validation = Validation(held, recipe, team.device, trainer.config)
        if not validation:
            say("no pictures are held out: there is no validation")

        def report(row: Progress) -> None:
            due = row.step % plan.config.validate_every == 0 or row.step == row.steps
            looked = validation.look(trainer.ema, trainer.bfloat16) if validation and due else None
            record.add(row, looked)
            say(_line(row, looked[0] if looked else None))

        with deferred() as signalled:
            finished = trainer.run(report, should_stop=lambda: signalled() > 0, stepped=progress)
        if not finished:
            say(f"{folder}: saved at step {trainer.step:,}; the same command goes on from there")
            if signalled() == signal.SIGTERM:
                os.kill(os.getpid(), signal.SIGTERM)  # by now with its usual end
            raise KeyboardInterrupt
        summary = f"{folder}: {trainer.step:,} steps, {trainer.patches:,} patches"
        if out is not None:
            card = export(trainer, out, plan.sources, licence, plan.ancestor)
            summary += f" -> {out} ({card.parameters:,} parameters)"
        return summary


def _follow(trainer: Trainer) -> str:
    """What every process but the first does; it leaves without a word of its own."""
    try:
        trainer.resume()
        trainer.team.wait()  # the first save of the first process removes what others read
        with deferred() as signalled:
            trainer.run(lambda row: None, should_stop=lambda: signalled() > 0)
    except RestoreError:
        # The first process says what went wrong, or has ended and is what went wrong. Without
        # the interpreter's own end, where the group of processes would complain at length.
        os._exit(1)
    return ""


def _line(row: Progress, validation_psnr: float | None) -> str:
    line = (
        f"step {row.step:,} of {row.steps:,}  loss {row.loss:.4f}  PSNR {row.psnr:.2f}  "
        f"{row.patches:,} patches  {row.patches_per_second:.1f} patches/s  "
        f"waiting {row.waiting:.0%}"
    )
    return line if validation_psnr is None else f"{line}  validation {validation_psnr:.2f}"
