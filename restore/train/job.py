"""A whole run, from folders of pictures to a model file."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from restore.checkpoints import weights
from restore.degrade.recipes import RECIPES
from restore.engine.precision import choose_device
from restore.errors import RestoreError
from restore.heads import HEADS
from restore.interrupt import deferred
from restore.train import state
from restore.train.align import aligned
from restore.train.data import Sampler
from restore.train.devices import assemble
from restore.train.loop import Progress, Trainer
from restore.train.model_export import export
from restore.train.planning import Plan
from restore.train.record import Record, claimed
from restore.train.sources import DISTILL, MADE, NOUNS, Pictures, read
from restore.train.targets import make_pairs
from restore.train.validate import Validation

Say = Callable[[str], None]
Stepped = Callable[[int, int], None]


@dataclass(frozen=True)
class Hardware:
    """Where a run computes: ``devices`` processes on devices of one kind, each with ``threads`` CPU
    threads (None: torch's default)."""

    device: str = "auto"
    devices: int = 1
    threads: int | None = None


def run(
    plan: Plan,
    folder: Path,
    *,
    out: Path | None = None,
    overwrite: bool = False,
    licence: str = "unknown",
    place: Hardware = Hardware(),
    tensorboard: bool = False,
    say: Say = print,
    progress: Stepped = lambda done, total: None,
) -> str:
    """Train to the end, continuing from the state in ``folder``, and return a summary line.

    ``folder`` gets the state, the pairs that a model makes, and the log (`Record`). ``out`` gets
    the averaged weights, with ``licence`` on their card. Processes other than the first return "".

    Raises `TrainingError` for data or a state that cannot be used, `CheckpointError` where ``out``
    cannot be written, and `KeyboardInterrupt` on Ctrl-C, after the step is completed and saved.
    """
    if out is not None:
        weights.check_target(out, overwrite)
    choose_device(place.device)
    if place.threads is not None:
        torch.set_num_threads(place.threads)
    pictures = _read(plan, folder, place.device, say, progress)
    split = [p.split(plan.config.holdout) for p in pictures]
    del pictures
    # Errors in the data have been reported by now, by one process rather than by each.
    team = assemble(place.device, place.devices)
    recipe = RECIPES[HEADS[plan.config.task].degradation]
    sampler = Sampler([kept for kept, _ in split], plan.config, recipe, team.device)
    held = [held for _, held in split]
    counts = [(len(kept.items), len(left.items)) for kept, left in split]
    del split  # the sampler has copies on its device
    if team.rank != 0:
        return _follow(Trainer(plan.config, sampler, folder, team, plan.start_from))
    with claimed(folder):
        trainer = Trainer(plan.config, sampler, folder, team, plan.start_from)
        resumed = trainer.resume()
        team.wait()  # the first save removes the state that other processes read
        for source, (kept, left) in zip(plan.sources, counts, strict=True):
            say(f"{source.name}: {kept} {NOUNS[source.kind]} to train on, {left} held out")
        if resumed:
            say(_resumption(trainer))
        validation = Validation(held, recipe, team.device, trainer.config)
        if not validation:
            say("no pictures are held out: there is no validation")
        record = Record(folder, trainer.step, tensorboard)
        _train(trainer, validation, record, say, progress)
        summary = f"{folder}: {trainer.step:,} steps, {trainer.patches:,} patches"
        if out is not None:
            card = export(trainer, out, plan, licence)
            summary += f" -> {out} ({card.parameters:,} parameters)"
        return summary


def _read(plan: Plan, folder: Path, device: str, say: Say, progress: Stepped) -> list[Pictures]:
    """Read all pictures; have the targets that are missing made once the others are known to be
    readable."""
    config = plan.config
    found = {source: read(source) for source in plan.sources if source.kind not in MADE}
    state.check(folder, config)  # before hours of making targets
    for index, source in enumerate(plan.sources):
        if source in found:
            continue
        assert plan.target_model is not None  # `planning.plan` has seen to it
        pairs = folder / "targets" / f"{index}-{source.kind}-{source.name}"
        recipe = RECIPES[HEADS[config.task].degradation]
        make_pairs(
            source,
            pairs,
            plan.target_model,
            config,
            recipe,
            device=device,
            say=say,
            progress=progress,
        )
        found[source] = read(source, pairs, config.target_draws if source.kind == DISTILL else 1)
    pictures = [found[source] for source in plan.sources]
    return [aligned(p) for p in pictures] if config.align else pictures


def _train(
    trainer: Trainer, validation: Validation, record: Record, say: Say, progress: Stepped
) -> None:
    """Train to the last step, or to the signal that ends the run."""
    config = trainer.config

    def look() -> tuple[float, np.ndarray]:
        return validation.look(trainer.ema, trainer.bfloat16)

    def report(row: Progress) -> None:
        due = row.step % config.validate_every == 0 or row.step == row.steps
        looked = look() if validation and due else None
        record.add(row, looked)
        say(_line(row, looked[0] if looked else None, record.first_psnr))

    with deferred() as signalled:
        if validation and trainer.step == 0:
            looked = look()
            record.begin(config.steps, looked)
            say(f"step 0 of {config.steps:,}  validation {looked[0]:.2f}")
        finished = trainer.run(report, should_stop=lambda: signalled() > 0, stepped=progress)
    if not finished:
        say(
            f"{trainer.folder}: saved at step {trainer.step:,}; the same command goes on from there"
        )
        if signalled() == signal.SIGTERM:
            os.kill(os.getpid(), signal.SIGTERM)  # now with its default action
        raise KeyboardInterrupt


def _follow(trainer: Trainer) -> str:
    """Run a process other than the first, which says nothing."""
    try:
        trainer.resume()
        trainer.team.wait()  # the first save removes the state that this process reads
        with deferred() as signalled:
            trainer.run(lambda row: None, should_stop=lambda: signalled() > 0)
    except RestoreError:
        # The first process reports the error, or has died and is its cause. The interpreter's own
        # exit would have the process group print pages of complaints.
        os._exit(1)
    return ""


def _resumption(trainer: Trainer) -> str:
    step, steps = trainer.step, trainer.config.steps
    if step and step == trainer.stretches[-1].begin:
        return f"{trainer.folder}: lengthening the run from {step:,} to {steps:,} steps"
    return f"{trainer.folder}: resuming at step {step:,} of {steps:,}"


def _line(row: Progress, psnr: float | None, first_psnr: float | None) -> str:
    """Describe the training since the last report, and the validation PSNR if there is one."""
    line = (
        f"step {row.step:,} of {row.steps:,}  loss {row.loss:.4f}  PSNR {row.psnr:.2f}  "
        f"{row.patches:,} patches  {row.patches_per_second:.1f} patches/s  "
        f"waiting {row.waiting:.0%}"
    )
    if psnr is None:
        return line
    gain = "" if first_psnr is None else f" ({psnr - first_psnr:+.2f} since step 0)"
    return f"{line}  validation {psnr:.2f}{gain}"
