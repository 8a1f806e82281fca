"""Metrics of each task, and the protocol that is stated with each figure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from restore.checkpoints import store
from restore.evaluate.metrics import luma, match_mean, psnr, ssim
from restore.heads import HEADS

COMMON = "outputs rounded to uint8, no border crop, mean over pictures"
GAUSSIAN = "Gaussian noise of default_rng(i) for picture i, neither clipped nor rounded"


@dataclass(frozen=True)
class Metric:
    """A metric. ``measure``: compares an output with its target, both uint8. ``protocol``: the
    conditions, in words. ``digits``: significant decimals."""

    name: str
    protocol: str
    digits: int
    measure: Callable[[np.ndarray, np.ndarray], float]


def _on_luma(measure: Callable[[np.ndarray, np.ndarray], float]) -> Callable[..., float]:
    return lambda output, target: measure(luma(output), luma(target))


_WINDOW = "Gaussian window 11 x 11 of sigma 1.5, K 0.01 and 0.03, population covariance"
_Y = "BT.601 Y of range 16 to 235, rounded"
BASIC = (
    Metric("PSNR", "dB, RGB, peak 255", 3, psnr),
    Metric("SSIM", f"RGB, range 255, {_WINDOW}", 4, ssim),
)
FURTHER: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("PSNR-Y", f"dB, {_Y}, peak 255", 3, _on_luma(psnr)),
        Metric("SSIM-Y", f"{_Y}, range 255, {_WINDOW}", 4, _on_luma(ssim)),
        Metric(
            "PSNR-GT-mean",
            "dB, RGB, peak 255, the output first scaled to the target's mean BT.601 grey",
            3,
            lambda output, target: psnr(match_mean(output, target), target),
        ),
    )
}
"""Metrics that some heads declare, because their literature reports them."""


def metrics_of(task: str, lpips: Iterable[str] = ()) -> tuple[Metric, ...]:
    """Return the metrics of a task: PSNR and SSIM, those of the task, and LPIPS on the named
    networks.

    Raises `UsageError` for an unknown task or network, and `CheckpointError` if a network's weights
    can neither be found nor downloaded.
    """
    store.check_task(task)
    own = (FURTHER[name] for name in HEADS[task].metrics)
    return (*BASIC, *own, *(_lpips(net) for net in dict.fromkeys(lpips)))


def _lpips(net: str) -> Metric:
    from restore.evaluate.perceptual import Lpips  # torch, for those who ask for it

    protocol = f"RGB, distance of version 0.1 on {net} features; lower is better"
    return Metric(f"LPIPS-{net}", protocol, 4, Lpips(net))
