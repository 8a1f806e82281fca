"""Calibrate a judge on samples of pictures that were kept back, and choose its thresholds."""

from __future__ import annotations

import numpy as np

from restore.inspect.suggestion import FIRST
from restore.networks.judge import FAULTS

FALSE_ALARMS = 0.01
"""Share of the healthy samples, at most, that get a head."""
LEAST = 0.5
"""No threshold is lower."""
BINS = 10


def fitted(logits: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Factor and offset of Platt's scaling (1999) by Newton's method; labels may be soft or NaN."""
    known = np.isfinite(labels)
    x = np.stack((logits[known], np.ones(known.sum())), axis=1).astype(np.float64)
    y = np.clip(labels[known].astype(np.float64), 0.002, 0.998)
    w = np.array([1.0, 0.0])
    for _ in range(50):
        p = 1 / (1 + np.exp(-x @ w))
        hessian = (x * (p * (1 - p))[:, None]).T @ x + 1e-3 * np.eye(2)
        step = np.linalg.solve(hessian, x.T @ (p - y) + 1e-3 * (w - [1, 0]))
        w = w - np.clip(step, -1, 1)
    return max(0.05, float(w[0])), float(w[1])


def probabilities(logits: np.ndarray, pairs: dict[str, tuple[float, float]]) -> np.ndarray:
    """Apply the pairs of `fitted` to N x faults logits."""
    scaled = [pairs[name][0] * logits[:, i] + pairs[name][1] for i, name in enumerate(FAULTS)]
    return 1 / (1 + np.exp(-np.clip(np.stack(scaled, axis=1), -50, 50)))


def healthy(labels: np.ndarray) -> np.ndarray:
    """Which samples have surely no fault that a head is for."""
    return (labels[:, _headed()] == 0).all(axis=1)


def thresholds(found: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """One threshold for all faults, since probabilities are calibrated: the least that lets few
    healthy samples pass."""
    most = found[healthy(labels)][:, _headed()].max(axis=1)
    limit = max(LEAST, float(np.quantile(most, 1 - FALSE_ALARMS, method="higher")))
    return dict.fromkeys(FAULTS, round(limit + 5e-5, 4))


def reliability(found: np.ndarray, labels: np.ndarray) -> list[dict[str, float]]:
    """Rows by probability, over all faults: mean of what was said, share that is right, cases."""
    known = np.isfinite(labels)
    said, true = found[known], labels[known]
    place = np.minimum((said * BINS).astype(int), BINS - 1)
    return [
        {
            "said": round(float(said[place == i].mean()), 3),
            "true": round(float(true[place == i].mean()), 3),
            "cases": int((place == i).sum()),
        }
        for i in range(BINS)
        if (place == i).any()
    ]


def _headed() -> list[int]:
    return [FAULTS.index(name) for name in FIRST]
