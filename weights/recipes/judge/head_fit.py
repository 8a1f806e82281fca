"""Fit what decides by the features: quick, since features are computed once."""

from __future__ import annotations

import math

import numpy as np
import torch
from training import OF_PLACES, QUALITY, SEVERITY, losses_of
from view_features import Features, centre_and_spread, different

from restore.networks.judge import FAULTS
from restore.networks.judge.network import PLACE, SCENE, JudgeNetwork, JudgeOutput

STEPS, BATCH, RATE, DECAY, WARM_UP = 5000, 128, 2e-3, 0.3, 100
EMA = 0.998


def fit(network: JudgeNetwork, features: Features, seed: int, steps: int = STEPS) -> None:
    """Train ``embed``, ``of_place``, ``join`` and ``of_picture`` in place; the trunk stays."""
    torch.manual_seed(seed)
    network.centre, network.spread = centre_and_spread(features.measured)
    near, whole = joined(network, features)
    labels = torch.from_numpy(features.labels)
    learning = [
        *network.embed.parameters(),
        *network.of_place.parameters(),
        *network.join.parameters(),
        *network.of_picture.parameters(),
    ]
    for parameter in learning:
        if parameter.ndim > 1:
            torch.nn.init.kaiming_uniform_(parameter, a=math.sqrt(5))
    optimiser = torch.optim.AdamW(learning, lr=RATE, weight_decay=DECAY)
    average = [parameter.detach().clone() for parameter in learning]
    rng = np.random.default_rng(seed)
    network.train()
    for step in range(steps):
        warm = min(1.0, (step + 1) / WARM_UP)
        optimiser.param_groups[0]["lr"] = (
            RATE * warm * (0.01 + 0.99 * (1 + math.cos(math.pi * step / steps)) / 2)
        )
        chosen = rng.integers(len(labels), size=BATCH)
        count = int(rng.integers(1, near.shape[1] + 1))
        which = np.argsort(rng.random((BATCH, near.shape[1])), axis=1)[:, :count]
        verdict = network.decide(near[chosen[:, None], which], whole[chosen])
        losses = losses_of(verdict, labels[chosen], features.kinds[chosen])
        total = losses["faults"] + OF_PLACES * losses["places"]
        total = total + SEVERITY * losses["severity"] + QUALITY * losses["quality"]
        optimiser.zero_grad(set_to_none=True)
        total.backward()
        optimiser.step()
        share = 1 - min(EMA, (1 + step) / (10 + step))
        for mean, parameter in zip(average, learning, strict=True):
            mean.lerp_(parameter.detach(), share)
        if (step + 1) % 500 == 0:
            print(step + 1, {k: round(float(v.detach()), 4) for k, v in losses.items()}, flush=True)
    with torch.no_grad():
        for mean, parameter in zip(average, learning, strict=True):
            parameter.copy_(mean)
    network.eval()


def joined(network: JudgeNetwork, features: Features) -> tuple[torch.Tensor, torch.Tensor]:
    """Features of places, N x P x features, and of scenes, N x features."""
    parts = []
    for kind, of in ((PLACE, np.s_[:, :-1]), (SCENE, np.s_[:, -1])):
        learned, measured = (
            torch.from_numpy(array[of]) for array in (features.learned, features.measured)
        )
        parts.append(network.joined(learned, measured, kind))
    return parts[0], parts[1]


def verdicts(network: JudgeNetwork, features: Features) -> JudgeOutput:
    """Judge all samples; places that repeat count once, as in inference."""
    near, whole = joined(network, features)
    count, most = near.shape[:2]
    numbers = np.array([different(places) for places in features.measured[:, :-1]])
    found = [torch.empty(count, len(FAULTS)) for _ in range(2)]
    quality, of_places = torch.empty(count), torch.empty(count, most, len(FAULTS))
    with torch.inference_mode():
        for number in np.unique(numbers):
            chosen = np.flatnonzero(numbers == number)
            said = network.decide(near[chosen, :number], whole[chosen])
            found[0][chosen], found[1][chosen], quality[chosen] = said[:3]
            of_places[chosen] = said.places[:, np.arange(most) % number]
    return JudgeOutput(found[0], found[1], quality, of_places)
