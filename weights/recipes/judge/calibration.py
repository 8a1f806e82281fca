"""Calibrate a judge on samples of pictures that were kept back, and choose its thresholds."""

from __future__ import annotations

import numpy as np

from restore.inspect.suggestion import FIRST
from restore.networks.judge import FAULTS

FALSE_ALARMS = 0.02
"""Share of the healthy samples, at most, that get a head."""
LEAST = 0.5
"""No threshold is lower."""
SURE = 0.9
"""Labels above this are faults that should be found."""
AHEAD = 8
"""Healthy samples by which a threshold may fall at once."""
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
    """One threshold a fault, at least `LEAST`, so that most faults are found while few healthy
    samples pass.

    A rare fault deserves a lower threshold than a common one (Neyman and Pearson, 1933: compare
    likelihoods). Each turn lowers one threshold, by the step that finds most for every healthy
    sample that passes with it.
    """
    headed = _headed()
    well = found[healthy(labels)]
    there = [np.sort(found[labels[:, i] > SURE, i]) for i in range(len(FAULTS))]
    limits = np.ones(len(FAULTS))
    most = int(FALSE_ALARMS * len(well))

    def alarms(at: np.ndarray) -> int:
        return int((well[:, headed] > at[headed]).any(axis=1).sum())

    def recall(i: int, limit: float) -> float:
        return float((there[i] > limit).mean()) if len(there[i]) else 0.0

    while True:
        best: tuple[float, int, float] | None = None
        now = alarms(limits)
        for i in headed:
            for limit in _lower(well[:, i], limits[i]):
                tried = limits.copy()
                tried[i] = limit
                cost = alarms(tried) - now
                if now + cost > most:
                    break
                gain = (recall(i, limit) - recall(i, limits[i])) / (cost + 0.1)
                if gain > 0 and (best is None or gain > best[0]):
                    best = gain, i, limit
        if best is None:
            break
        limits[best[1]] = best[2]
    blocks = [i for i in range(len(FAULTS)) if i not in headed]
    limits[blocks] = max(LEAST, float(np.quantile(well[:, blocks], 1 - FALSE_ALARMS)))
    return {name: round(float(limits[i]) + 5e-5, 4) for i, name in enumerate(FAULTS)}


def _lower(scores: np.ndarray, limit: float) -> list[float]:
    """Thresholds below ``limit`` that let one, two and a few more of the scores pass."""
    below = np.sort(scores[(scores < limit) & (scores >= LEAST)])[::-1]
    return [*below[:AHEAD].tolist(), *([] if len(below) >= AHEAD else [LEAST])]


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
