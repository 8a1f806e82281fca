"""The training loop: AdamW on bf16 activations, an EMA that is what gets used, exact resume."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from restore.engine.precision import bfloat16_is_fast
from restore.errors import ConfigError, TrainingError
from restore.networks import build, initialise
from restore.networks.base import RestorationNetwork, nearest_shrink
from restore.train import state
from restore.train.config import TrainConfig
from restore.train.data import Sampler
from restore.train.devices import Team
from restore.train.losses import charbonnier, fft_l1

SAVE_EVERY_SECONDS = 100.0
MAX_SKIPPED_IN_A_ROW = 100


@dataclass(frozen=True)
class Progress:
    """What has happened since the last report; losses and PSNR are means."""

    step: int
    steps: int
    patches: int
    """Since the run began."""
    loss: float
    psnr: float
    """Of training patches, in dB: of the mean squared error, by the weights, not their average."""
    learning_rate: float
    seconds: float
    patches_per_second: float
    waiting: float
    """Fraction of the time that went into making batches (on a GPU: into asking for them)."""
    skipped: int
    """Steps whose gradient was not finite, since the run began."""


class Trainer:
    """One run. ``model`` is trained; ``ema`` is the running average that evaluation uses."""

    def __init__(
        self,
        config: TrainConfig,
        sampler: Sampler,
        folder: Path,
        team: Team,
        start_from: RestorationNetwork | None = None,
    ):
        check_shares(config, team.size)
        self.config = config
        self.sampler = sampler
        self.folder = folder
        self.team = team
        self.device = team.device
        model = start_from or initialise(
            build(config.network), torch.Generator().manual_seed(config.seed)
        )
        if model.config != config.network:
            raise TrainingError("the model to start from has another network configuration")
        self.model = model.to(self.device)
        self.ema = build(config.network).to(self.device)
        self.ema.load_state_dict(self.model.state_dict())
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(),
            lr=config.learning_rate,
            betas=config.betas,
            weight_decay=config.weight_decay,
            **({"fused": True} if self.device.type == "cuda" else {"foreach": True}),
        )
        self.bfloat16 = config.precision == "bfloat16" or (
            config.precision == "auto" and bfloat16_is_fast(self.device)
        )
        self.step = 0
        self.rate = 0.0
        """The learning rate of the last step."""
        self.patches = 0
        self.skipped = 0
        self._skipped_in_a_row = 0

    def resume(self) -> bool:
        """Take up the state saved in the folder; False if there is none."""
        return state.load(self)

    def save(self) -> None:
        state.save(self)

    def run(
        self,
        report: Callable[[Progress], None],
        report_every: int = 50,
        should_stop: Callable[[], bool] = lambda: False,
        stepped: Callable[[int, int], None] = lambda done, total: None,
    ) -> bool:
        """Train to the last step, saving on the way and at the end; interruptible anywhere.

        Reports every so many steps, and wherever the configuration wants a validation. Tells
        ``stepped`` of every step. Asks ``should_stop`` after each, and if so saves and returns
        False: there are steps left. Where many processes train, one that wants to stop stops all.
        """
        last_save = time.monotonic()
        seen = _Since(self.patches)
        stopped = False
        while self.step < self.config.steps and not stopped:
            stopped = self._train(seen, should_stop)
            stepped(self.step, self.config.steps)
            ended = stopped or self.step == self.config.steps
            if ended or not self.step % report_every or not self.step % self.config.validate_every:
                report(seen.progress(self))
                seen = _Since(self.patches)
            if ended or time.monotonic() - last_save > SAVE_EVERY_SECONDS:
                if self.team.rank == 0:
                    self.save()
                last_save = time.monotonic()
        self.team.wait()  # nobody leaves before the state is on the disk
        return not stopped

    def _train(self, seen: _Since, should_stop: Callable[[], bool]) -> bool:
        """One step; True if someone wants to stop after it."""
        config, team = self.config, self.team
        self.rate = self._scheduled_rate()
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate
        self.optimizer.zero_grad(set_to_none=True)
        parts = range(team.rank, config.batches_per_step, team.size)
        totals = torch.zeros(4, device=self.device)
        for part in parts:
            started = time.monotonic()
            degraded, clean = self.sampler.batch(self.step, part)
            seen.waiting += time.monotonic() - started
            loss, output = self._loss(degraded, clean)
            (loss / len(parts)).backward()
            error = (output.detach().float().clamp(0, 1) - clean).square().mean()
            counts = (loss.detach(), error, torch.tensor(len(clean)), torch.tensor(0))
            totals += torch.stack([count.to(totals) for count in counts])
        if team.size > 1:
            totals[3] = float(should_stop()) * len(parts)
            totals = self._average(totals)
        self._update()
        self.step += 1
        self.patches += round(float(totals[2]) * team.size)
        seen.add(totals[:2] / len(parts))
        return bool(totals[3] > 0) if team.size > 1 else should_stop()

    def _loss(self, degraded: Tensor, clean: Tensor) -> tuple[Tensor, Tensor]:
        """The loss, and the network's last and largest picture."""
        config = self.config
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16):
            stages = self.model.outputs(degraded)
        loss = torch.zeros((), device=self.device)
        for stage in stages:  # as MAXIM: every stage and scale counts alike
            for level, picture in enumerate(reversed(stage)):
                output, target = picture.float(), nearest_shrink(clean, level)
                loss = loss + charbonnier(output, target, config.charbonnier_eps)
                loss = loss + config.fft_weight * fft_l1(output, target)
        return loss, stages[-1][-1]

    def _average(self, totals: Tensor) -> Tensor:
        """The gradients, in place, and the totals, averaged over all processes in one go."""
        values = [p.grad for p in self.model.parameters() if p.grad is not None]
        flat = self.team.mean(torch.cat([value.flatten() for value in (*values, totals)]))
        *shared, averaged = flat.split([value.numel() for value in (*values, totals)])
        for value, average in zip(values, shared, strict=True):
            value.copy_(average.view_as(value))
        return averaged

    def _update(self) -> None:
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip_norm)
        if bool(torch.isfinite(norm)):
            self.optimizer.step()
            self._skipped_in_a_row = 0
        else:  # one bad batch must not end a run of hours, but a run of them must
            self.skipped += 1
            self._skipped_in_a_row += 1
            if self._skipped_in_a_row > MAX_SKIPPED_IN_A_ROW:
                raise TrainingError("the loss stays infinite; lower the learning rate")
        # Early on the average follows closely, or it would remember the initialisation.
        decay = min(self.config.ema_decay, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            pairs = zip(self.ema.parameters(), self.model.parameters(), strict=True)
            for averaged, current in pairs:
                averaged.lerp_(current, 1 - decay)

    def _scheduled_rate(self) -> float:
        """The learning rate of the step to come: a linear warm-up, then a cosine."""
        config = self.config
        if self.step < config.warmup_steps:
            return config.learning_rate * (self.step + 1) / config.warmup_steps
        done = (self.step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
        low = config.final_learning_rate
        return config.learning_rate * (low + (1 - low) * (1 + math.cos(math.pi * done)) / 2)


def check_shares(config: TrainConfig, processes: int) -> None:
    """Raise `ConfigError` where so many processes cannot share a step evenly."""
    if config.batches_per_step % processes:
        raise ConfigError(
            f"batches_per_step is {config.batches_per_step}; {processes} devices cannot share that "
            "evenly"
        )


class _Since:
    """What has been seen since the last report."""

    def __init__(self, patches: int):
        self.patches = patches
        self.started = time.monotonic()
        self.waiting = 0.0
        self._means: list[Tensor] = []

    def add(self, loss_and_error: Tensor) -> None:
        self._means.append(loss_and_error)

    def progress(self, trainer: Trainer) -> Progress:
        loss, error = torch.stack(self._means).mean(dim=0).tolist()
        seconds = time.monotonic() - self.started
        return Progress(
            step=trainer.step,
            steps=trainer.config.steps,
            patches=trainer.patches,
            loss=loss,
            psnr=-10 * math.log10(max(error, 1e-12)),
            learning_rate=trainer.rate,
            seconds=seconds,
            patches_per_second=(trainer.patches - self.patches) / max(seconds, 1e-9),
            waiting=self.waiting / max(seconds, 1e-9),
            skipped=trainer.skipped,
        )
