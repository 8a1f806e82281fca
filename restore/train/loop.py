"""The training loop: AdamW, activations in bfloat16, an average of the weights, exact resume."""

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
from restore.train.losses import weighted_loss
from restore.train.schedule import Schedule

SAVE_EVERY_SECONDS = 100.0
MAX_SKIPPED_IN_A_ROW = 100


@dataclass(frozen=True)
class Progress:
    """The training since the last report."""

    step: int
    """Steps done."""
    steps: int
    """Steps at the end of the run."""
    patches: int
    """Patches seen since the run began."""
    loss: float
    """Mean loss."""
    psnr: float
    """PSNR in dB of training patches, from the mean squared error. It is that of the weights, not
    of their average."""
    learning_rate: float
    """Learning rate of the last step."""
    seconds: float
    """Time since the last report."""
    patches_per_second: float
    """Patches seen per second."""
    waiting: float
    """Fraction of the time spent on making batches. On a GPU that is the time to launch kernels."""
    skipped: int
    """Steps since the run began that were skipped because the gradient was not finite."""


class Trainer:
    """A run: its weights, their average, the optimizer and the step.

    ``model`` is trained; ``ema`` is the average of its weights, which gets validated and exported.
    ``start_from`` is the model to fine-tune; without it the weights are drawn from the seed. Raises
    `ConfigError` where the processes cannot share a step, and `TrainingError` where ``start_from``
    has another network than the configuration.
    """

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
            fused=True,
        )
        self.bfloat16 = config.precision == "bfloat16" or (
            config.precision == "auto" and bfloat16_is_fast(self.device)
        )
        self.stretches: tuple[Schedule, ...] = (Schedule.of(config),)
        """The schedules of the run so far: one more for each time it was lengthened."""
        self.step = 0
        self.rate = 0.0
        """The learning rate of the last step."""
        self.patches = 0
        self.skipped = 0
        self._skipped_in_a_row = 0

    def resume(self) -> bool:
        """Load the state saved in the folder. Returns False if there is none.

        A finished run whose configuration has more ``steps`` now is lengthened (`Schedule`).
        Raises `TrainingError` for a damaged state, or one of another run.
        """
        return state.load(self)

    def save(self) -> None:
        """Write the state into the folder. Raises `TrainingError`."""
        state.save(self)

    def run(
        self,
        report: Callable[[Progress], None],
        report_every: int = 50,
        should_stop: Callable[[], bool] = lambda: False,
        stepped: Callable[[int, int], None] = lambda done, total: None,
    ) -> bool:
        """Train to the last step. Returns False if ``should_stop`` ended the run before it.

        The state is saved every `SAVE_EVERY_SECONDS` and at the end. ``report`` is called every
        ``report_every`` steps and when a validation is due; ``stepped`` (done, total) and
        ``should_stop`` after every step. Of several processes, one that stops stops all.
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
        self.team.wait()  # no process leaves before the state is on the disk
        return not stopped

    def _train(self, seen: _Since, should_stop: Callable[[], bool]) -> bool:
        """Train one step. Returns True if a process asks to stop after it."""
        config, team = self.config, self.team
        self.rate = self.stretches[-1].rate(self.step)
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
        """Return the loss, and the full-size output of the last stage."""
        config = self.config
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16):
            stages = self.model.outputs(degraded)
        if config.supervision == "finest":
            stages = [stage[-1:] for stage in stages]
        loss = torch.zeros((), device=self.device)
        for stage in stages:  # eq. 6 of MAXIM: every stage and scale has the same weight
            for level, picture in enumerate(reversed(stage)):
                output, target = picture.float(), nearest_shrink(clean, level)
                loss = loss + weighted_loss(output, target, config)
        return loss, stages[-1][-1]

    def _average(self, totals: Tensor) -> Tensor:
        """Average the gradients (in place) and the totals over all processes in one reduction."""
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
        else:  # one bad batch must not end a run of hours; a run of bad batches must
            self.skipped += 1
            self._skipped_in_a_row += 1
            if self._skipped_in_a_row > MAX_SKIPPED_IN_A_ROW:
                raise TrainingError("the loss stays infinite; lower the learning rate")
        # Early on the average follows closely, so that it forgets the initialisation.
        decay = min(self.config.ema_decay, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            pairs = zip(self.ema.parameters(), self.model.parameters(), strict=True)
            for averaged, current in pairs:
                averaged.lerp_(current, 1 - decay)


def check_shares(config: TrainConfig, processes: int) -> None:
    """Raise `ConfigError` where the processes cannot share the batches of a step evenly."""
    if config.batches_per_step % processes:
        raise ConfigError(
            f"batches_per_step is {config.batches_per_step}; {processes} devices cannot share that "
            "evenly"
        )


class _Since:
    """Sums since the last report."""

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
