"""Peak performance of this machine, as the reference for speeds."""

from __future__ import annotations

import time

import torch
from torch.nn import functional as F

CHANNELS, SIDE, SIZE = 32, 256, 3
_COPIED = 2**28
"""Bytes."""


def convolution_peak(device: torch.device, dtype: torch.dtype, seconds: float = 0.5) -> float:
    """Return floating point operations per second of a 3 x 3 convolution of 32 to 32 channels at
    256 x 256.

    A multiplication and an addition count as two. The figure is the median of the runs that fit
    into ``seconds``, channels last, without gradients; on a GPU, of as many images as fill it.
    """
    pictures = 1 if device.type == "cpu" else 64
    picture, kernel = (
        torch.randn(shape, device=device)
        .to(dtype=dtype)
        .contiguous(memory_format=torch.channels_last)
        for shape in ((pictures, CHANNELS, SIDE, SIDE), (CHANNELS, CHANNELS, SIZE, SIZE))
    )
    operations = pictures * 2 * CHANNELS**2 * SIZE**2 * SIDE**2
    times: list[float] = []
    with torch.no_grad():
        for _ in range(3):
            F.conv2d(picture, kernel, padding=1)
        begun = time.perf_counter()
        while time.perf_counter() - begun < seconds or not times:
            _synchronize(device)
            started = time.perf_counter()
            for _ in range(5):
                F.conv2d(picture, kernel, padding=1)
            _synchronize(device)
            times.append((time.perf_counter() - started) / 5)
    return operations / sorted(times)[len(times) // 2]


def memory_bandwidth(device: torch.device, seconds: float = 0.3) -> float:
    """Return bytes per second of a copy that exceeds all caches; bytes read and bytes written both
    count. The figure is the median of the runs that fit into ``seconds``."""
    source = torch.ones(_COPIED // 4, device=device)
    target = torch.empty_like(source)
    times: list[float] = []
    begun = time.perf_counter()
    while time.perf_counter() - begun < seconds or len(times) < 3:
        _synchronize(device)
        started = time.perf_counter()
        target.copy_(source)
        _synchronize(device)
        times.append(time.perf_counter() - started)
    return 2 * _COPIED / sorted(times)[len(times) // 2]


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
