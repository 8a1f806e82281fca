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
    well = found[healthy(labels)]
    there = [found[labels[:, i] > SURE, i] for i in range(len(FAULTS))]
    limits = np.ones(len(FAULTS))
    while (step := _best_step(limits, well, there)) is not None:
        fault, limit = step
        limits[fault] = limit
    for i in set(range(len(FAULTS))) - set(_headed()):
        limits[i] = max(LEAST, float(np.quantile(well[:, i], 1 - FALSE_ALARMS)))
    return {name: round(float(limits[i]) + 5e-5, 4) for i, name in enumerate(FAULTS)}


def _best_step(
    limits: np.ndarray, well: np.ndarray, there: list[np.ndarray]
) -> tuple[int, float] | None:
    """Fault and lower threshold that find most for each further alarm; None where none finds any.

    ``well`` are the probabilities of healthy samples, ``there`` those of each fault that is sure.
    """
    now, most = _alarms(well, limits), int(FALSE_ALARMS * len(well))
    best, step = 0.0, None
    for i in _headed():
        for limit in _lower(well[:, i], limits[i]):
            tried = limits.copy()
            tried[i] = limit
            cost = _alarms(well, tried) - now
            if now + cost > most:
                break
            gain = (_share(there[i], limit) - _share(there[i], limits[i])) / (cost + 0.1)
            if gain > best:
                best, step = gain, (i, limit)
    return step


def _alarms(well: np.ndarray, limits: np.ndarray) -> int:
    headed = _headed()
    return int((well[:, headed] > limits[headed]).any(axis=1).sum())


def _share(values: np.ndarray, limit: float) -> float:
    return float((values > limit).mean()) if len(values) else 0.0


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
