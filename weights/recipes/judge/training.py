"""Train a judge on a bank of samples: seeded, and resumable at any step."""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from safetensors.torch import load_file
from sample_bank import Bank
from torch import Tensor
from torch.nn import functional as F
from view_features import tensor

from restore.files import atomic_path
from restore.networks.judge import FAULTS, SIDE, JudgeConfig
from restore.networks.judge.network import (
    PLACE,
    SCENE,
    SEEN,
    JudgeNetwork,
    JudgeOutput,
    initialise,
)

PLACES = 4
"""Places of a sample, at most; a step sees any number of them, few more often than many."""
STEP = 8
"""Squares begin at multiples of this, as blocks of JPEG do."""
BLUR = FAULTS.index("blur")
SEVERITY, QUALITY, OF_PLACES = 2.0, 2.0, 0.5
"""Weights of the losses, relative to that of the picture's faults."""


@dataclass(frozen=True)
class RunConfig:
    """A run: network, length, rates."""

    network: JudgeConfig
    steps: int
    batch: int = 16
    rate: float = 1.5e-3
    warm_up: int = 60
    decay: float = 0.05
    ema: float = 0.995
    seed: int = 1
    bfloat16: bool = False

    @classmethod
    def read(cls, path: Path) -> RunConfig:
        """Read a JSON file."""
        values = json.loads(path.read_text())
        return cls(**values | {"network": JudgeConfig.from_dict(values["network"])})


class Run:
    """A run in a folder, which holds ``state.pt`` and ``log.jsonl``."""

    def __init__(self, config: RunConfig, folder: Path):
        self.config, self.folder, self.step = config, folder, 0
        torch.manual_seed(config.seed)
        self.network = initialise(JudgeNetwork(config.network))
        self.network.to(memory_format=torch.channels_last)
        self.average = {k: v.clone() for k, v in self.network.state_dict().items()}
        self.optimiser = torch.optim.AdamW(
            _groups(self.network, config.decay), lr=config.rate, betas=(0.9, 0.98)
        )
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / "state.pt").exists():
            self._resume()

    def train(self, bank: Bank, stop_at: int | None = None) -> None:
        """Train to the end, or to a step."""
        began, used, seen = time.perf_counter(), time.process_time(), []
        while self.step < min(self.config.steps, stop_at or self.config.steps):
            seen.append(self._step(bank))
            if self.step % 20 == 0:
                losses = {k: round(float(np.mean([s[k] for s in seen])), 4) for k in seen[0]}
                spent = time.perf_counter() - began, time.process_time() - used
                line = {"step": self.step, **losses, "s": round(spent[0]), "cpu": round(spent[1])}
                with open(self.folder / "log.jsonl", "a", encoding="utf-8") as file:
                    file.write(json.dumps(line) + "\n")
                seen = []
            if self.step % 60 == 0:
                self.save()
        self.save()

    def adopt(self, judge: Path) -> None:
        """Take over the trunk of a finished judge, and count as trained."""
        state = load_file(judge)
        for name in self.average:
            if name.startswith("trunk."):
                self.average[name] = state[name].float()
        self.network.load_state_dict(self.average)
        self.step = self.config.steps
        self.save()

    def averaged(self) -> JudgeNetwork:
        """Return the averaged network, in evaluation mode."""
        network = JudgeNetwork(self.config.network)
        network.load_state_dict(self.average)
        return network.eval()

    def save(self) -> None:
        """Write the state, whole or not at all."""
        state = {
            "network": self.network.state_dict(),
            "average": self.average,
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
        }
        with atomic_path(self.folder / "state.pt") as temporary:
            torch.save(state, temporary)

    def _resume(self) -> None:
        state = torch.load(self.folder / "state.pt", weights_only=True)
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.average, self.step = state["average"], state["step"]

    def _step(self, bank: Bank) -> dict[str, float]:
        config = self.config
        for group in self.optimiser.param_groups:
            group["lr"] = _rate(config, self.step)
        batch = _batch(bank, config, self.step)
        losses = losses_of(self._verdict(batch), batch.labels, batch.kinds)
        self.optimiser.zero_grad(set_to_none=True)
        total = losses["faults"] + OF_PLACES * losses["places"]
        (total + SEVERITY * losses["severity"] + QUALITY * losses["quality"]).backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()
        self.step += 1
        share = 1 - min(config.ema, (1 + self.step) / (10 + self.step))
        for name, value in self.network.state_dict().items():
            if value.is_floating_point():
                self.average[name].lerp_(value, share)
            else:
                self.average[name].copy_(value)
        return {name: float(loss.detach()) for name, loss in losses.items()}

    def _verdict(self, batch: Batch) -> JudgeOutput:
        network = self.network.train()
        with torch.autocast("cpu", torch.bfloat16, enabled=self.config.bfloat16):
            seen = network.trunk(batch.places.flatten(0, 1), PLACE).float()
            whole = network.learned(batch.scenes, SCENE).float()
        near = seen.unflatten(0, batch.places.shape[:2])
        # Given what is measured, which finds most faults by itself, the trunk learns nothing.
        return network.decide(self._unmeasured(near), self._unmeasured(whole))

    def _unmeasured(self, learned: Tensor) -> Tensor:
        return F.pad(learned, (0, self.network.centre.shape[1]))


class Batch(NamedTuple):
    """N samples with P places each."""

    places: Tensor
    """Squares of what the trunk sees at once, from anywhere in a place: N x P x 3 x side x side."""
    scenes: Tensor
    labels: Tensor
    kinds: np.ndarray


def losses_of(verdict: JudgeOutput, labels: Tensor, kinds: np.ndarray) -> dict[str, Tensor]:
    """Losses by name; what is unknown (NaN) does not count."""
    count = len(FAULTS)
    faults, severities, quality = labels[:, :count], labels[:, count:-1], labels[:, -1]
    of_places = faults.clone()
    # A place behind a sharp subject is blurred, and the picture is not.
    of_places[torch.from_numpy(kinds == "shallow focus"), BLUR] = math.nan
    of_places = of_places[:, None].expand_as(verdict.places)
    known = (faults > 0.25) & severities.isfinite()
    apart = F.smooth_l1_loss(
        verdict.severities, severities.nan_to_num(), reduction="none", beta=0.1
    )
    return {
        "faults": _cross_entropy(verdict.faults, faults),
        "places": _cross_entropy(verdict.places, of_places),
        "severity": (apart * known).sum() / known.sum().clamp(min=1),
        "quality": F.smooth_l1_loss(verdict.quality, quality, beta=0.1),
    }


def _cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    known = labels.isfinite()
    loss = F.binary_cross_entropy_with_logits(logits, labels.nan_to_num(), reduction="none")
    return (loss * known).sum() / known.sum()


def _batch(bank: Bank, config: RunConfig, step: int) -> Batch:
    """Samples of a step: every one once an epoch, in an order of the seed's."""
    count = len(bank.labels)
    per_epoch = count // config.batch
    epoch, within = divmod(step, per_epoch)
    order = np.random.default_rng((config.seed, epoch)).permutation(count)
    chosen = order[within * config.batch : (within + 1) * config.batch]
    rng = np.random.default_rng((config.seed, epoch, within))
    seen = min(PLACES, int(rng.geometric(0.5)))
    views = [bank.views(index) for index in chosen]
    which = np.argsort(rng.random((len(views), len(views[0]) - 1)), axis=1)[:, :seen]
    corners = STEP * rng.integers((SIDE - SEEN) // STEP + 1, size=(*which.shape, 2))
    squares = [
        [of[k, top : top + SEEN, left : left + SEEN] for k, (top, left) in zip(ks, at, strict=True)]
        for of, ks, at in zip(views, which, corners, strict=True)
    ]
    return Batch(
        tensor(np.array(squares)),
        tensor(np.stack([of[-1] for of in views])),
        torch.from_numpy(bank.labels[chosen]),
        bank.kinds[chosen],
    )


def _rate(config: RunConfig, step: int) -> float:
    if step < config.warm_up:
        return config.rate * (step + 1) / config.warm_up
    part = (step - config.warm_up) / max(1, config.steps - config.warm_up)
    return config.rate * (0.01 + 0.99 * (1 + math.cos(math.pi * part)) / 2)


def _groups(network: JudgeNetwork, decay: float) -> list[dict[str, object]]:
    """Matrices and filters decay; offsets, norms and position biases do not."""
    named = list(network.named_parameters())
    decayed = [p for name, p in named if p.ndim > 1 and "table" not in name and name != "kinds"]
    chosen = {id(p) for p in decayed}
    others = [p for _, p in named if id(p) not in chosen]
    return [{"params": decayed, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]


def described(config: RunConfig) -> dict[str, object]:
    """Return the configuration as JSON values."""
    return asdict(config) | {"network": config.network.to_dict()}
