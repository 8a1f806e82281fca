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
from restore.errors import TrainingError
from restore.network import Maxim, initialise
from restore.network.layers import nearest_shrink
from restore.train import state
from restore.train.config import TrainConfig
from restore.train.data import Sampler
from restore.train.losses import charbonnier, fft_l1

SAVE_EVERY_SECONDS = 100.0
MAX_SKIPPED_IN_A_ROW = 100


@dataclass(frozen=True)
class Progress:
    """What a step reports: losses are means since the last report."""

    step: int
    steps: int
    patches: int
    loss: float
    psnr: float
    learning_rate: float
    seconds: float
    waiting: float
    """Fraction of the time that went into making batches."""


class Trainer:
    """One run. ``model`` is trained; ``ema`` is the running average that evaluation uses."""

    def __init__(
        self,
        config: TrainConfig,
        sampler: Sampler,
        folder: Path,
        device: torch.device,
        start_from: Maxim | None = None,
    ):
        self.config = config
        self.sampler = sampler
        self.folder = folder
        self.device = device
        model = start_from or initialise(
            Maxim(config.network), torch.Generator().manual_seed(config.seed)
        )
        if model.config != config.network:
            raise TrainingError("the model to start from has another network configuration")
        self.model = model.to(device)
        self.ema = Maxim(config.network).to(device)
        self.ema.load_state_dict(self.model.state_dict())
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(),
            lr=config.learning_rate,
            betas=config.betas,
            weight_decay=config.weight_decay,
            foreach=True,
        )
        self.bfloat16 = config.precision == "bfloat16" or (
            config.precision == "auto" and bfloat16_is_fast(device)
        )
        self.step = 0
        self.patches = 0
        self.skipped = 0
        self._skipped_in_a_row = 0

    def resume(self) -> bool:
        """Take up the state saved in the folder; False if there is none."""
        return state.load(self)

    def save(self) -> None:
        state.save(self)

    def run(self, report: Callable[[Progress], None], report_every: int = 50) -> None:
        """Train to the last step, saving on the way and at the end; interruptible anywhere."""
        config = self.config
        last_save = last_report = time.monotonic()
        waiting, losses, errors = 0.0, [], []
        while self.step < config.steps:
            started = time.monotonic()
            degraded, clean = self.sampler.batch(self.step, self.device)
            waiting += time.monotonic() - started
            loss, error = self._train(degraded, clean)
            losses.append(loss)
            errors.append(error)
            self.step += 1
            self.patches += len(clean)
            now = time.monotonic()
            if self.step % report_every == 0 or self.step == config.steps:
                seconds = now - last_report
                mse = float(torch.stack(errors).mean())
                report(
                    Progress(
                        step=self.step,
                        steps=config.steps,
                        patches=self.patches,
                        loss=float(torch.stack(losses).mean()),
                        psnr=-10 * math.log10(max(mse, 1e-12)),
                        learning_rate=self._learning_rate(),
                        seconds=seconds,
                        waiting=waiting / max(seconds, 1e-9),
                    )
                )
                last_report, waiting, losses, errors = time.monotonic(), 0.0, [], []
            if now - last_save > SAVE_EVERY_SECONDS or self.step == config.steps:
                self.save()
                last_save = time.monotonic()

    def _train(self, degraded: Tensor, clean: Tensor) -> tuple[Tensor, Tensor]:
        config = self.config
        for group in self.optimizer.param_groups:
            group["lr"] = self._learning_rate()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16):
            stages = self.model.outputs(degraded)
        loss = torch.zeros((), device=self.device)
        for stage in stages:  # as MAXIM: every stage and scale counts alike
            for level, picture in enumerate(reversed(stage)):
                output, target = picture.float(), nearest_shrink(clean, level)
                loss = loss + charbonnier(output, target, config.charbonnier_eps)
                loss = loss + config.fft_weight * fft_l1(output, target)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), config.clip_norm)
        if bool(torch.isfinite(norm)):
            self.optimizer.step()
            self._skipped_in_a_row = 0
        else:  # one bad batch must not end a run of hours, but a run of them must
            self.skipped += 1
            self._skipped_in_a_row += 1
            if self._skipped_in_a_row > MAX_SKIPPED_IN_A_ROW:
                raise TrainingError("the loss stays infinite; lower the learning rate")
        self._average()
        error = (stages[-1][-1].detach().float().clamp(0, 1) - clean).square().mean()
        return loss.detach(), error

    def _average(self) -> None:
        # Early on the average follows closely, or it would remember the initialisation.
        decay = min(self.config.ema_decay, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            pairs = zip(self.ema.parameters(), self.model.parameters(), strict=True)
            for averaged, current in pairs:
                averaged.lerp_(current, 1 - decay)

    def _learning_rate(self) -> float:
        config = self.config
        if self.step < config.warmup_steps:
            return config.learning_rate * (self.step + 1) / config.warmup_steps
        done = (self.step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
        low = config.final_learning_rate
        return config.learning_rate * (low + (1 - low) * (1 + math.cos(math.pi * done)) / 2)
