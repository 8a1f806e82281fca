"""Write a trained judge: weights in float16, and its card."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import calibration
import head_fit
import numpy as np
import packages
import torch
from evaluation import DEPTH, GOPRO, PHOTOGRAPHS, POLYU, SICE
from safetensors.torch import save_file
from training import Run, described
from view_features import Features

from restore.files import atomic_path, sha256_of
from restore.inspect.asked_heads import shipped
from restore.networks.judge import FAULTS
from restore.networks.judge.network import JudgeNetwork

LICENCE = "Apache-2.0; trained in part on pictures licensed for research"
PAPER = {
    "maxvit": "MaxViT: Multi-Axis Vision Transformer, ECCV 2022, arXiv 2204.01697",
    "dualvit": "Dual Vision Transformer, arXiv 2207.04976",
}
LIMITS = (
    "Most night, mist, snow, film grain and shallow focus were made from other photographs, and "
    "may be taken for faults where they look different. Blur of a few pixels, light rain and faint "
    "noise are missed."
)


def write(run: Run, features: Features, held_out: Features, path: Path) -> np.ndarray:
    """Fit the head of a run, calibrate it on held-out samples, and write both files.

    Returns which faults of the held-out samples pass their thresholds, samples x faults.
    """
    network = run.averaged()
    head_fit.fit(network, features, run.config.seed)
    network = as_stored(network)
    found = head_fit.verdicts(network, held_out)
    faults, places = found.faults.numpy(), found.places.numpy()
    labels = held_out.labels[:, : len(FAULTS)]
    pairs = {n: calibration.fitted(faults[:, i], labels[:, i]) for i, n in enumerate(FAULTS)}
    repeated = np.repeat(labels[:, None], places.shape[1], axis=1)
    repeated[held_out.kinds == "shallow focus", :, FAULTS.index("blur")] = np.nan
    of_places = {
        name: calibration.fitted(places[..., i].ravel(), repeated[..., i].ravel())
        for i, name in enumerate(FAULTS)
    }
    said = calibration.probabilities(faults, pairs)
    limits = calibration.thresholds(said, labels)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        save_file({name: _half(x) for name, x in network.state_dict().items()}, temporary)
        digest = sha256_of(temporary)
    sets = (*PHOTOGRAPHS, packages.DATA, POLYU, GOPRO, DEPTH, SICE)
    card = {
        "name": path.stem,
        "architecture": run.config.network.trunk,
        "paper": PAPER[run.config.network.trunk],
        "network": run.config.network.to_dict(),
        "parameters": sum(p.numel() for p in network.parameters()),
        "sha256": digest,
        "models": shipped(run.config.network),
        "calibration": _rounded(pairs),
        "place_calibration": _rounded(of_places),
        "thresholds": limits,
        "reliability": calibration.reliability(said, labels),
        "calibrated_on": f"{len(labels)} samples of one in sixteen training pictures, kept back",
        "training_data": [asdict(one) for one in sets],
        "training": described(run.config) | {"step": run.step},
        "limits": LIMITS,
        "licence": LICENCE,
    }
    with atomic_path(path.with_suffix(".json")) as temporary:
        temporary.write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    return said > list(limits.values())


def as_stored(network: JudgeNetwork) -> JudgeNetwork:
    """Round the values to what the file holds."""
    state = {name: _half(x).to(x.dtype) for name, x in network.state_dict().items()}
    network.load_state_dict(state)
    return network


def _half(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.to(torch.float16).contiguous() if tensor.is_floating_point() else tensor


def _rounded(pairs: dict[str, tuple[float, float]]) -> dict[str, list[float]]:
    return {name: [round(value, 4) for value in pair] for name, pair in pairs.items()}
