"""Losses: Charbonnier and frequency reconstruction (MAXIM, eq. 7 and 8)."""

from __future__ import annotations

import torch
from torch import Tensor


def charbonnier(output: Tensor, target: Tensor, eps: float) -> Tensor:
    """Mean of sqrt(difference**2 + eps**2): L1 with a rounded tip (eq. 7 of MAXIM)."""
    return ((output - target).square() + eps**2).sqrt().mean()


def fft_l1(output: Tensor, target: Tensor) -> Tensor:
    """Mean absolute difference of the two spectra (eq. 8 of MAXIM), orthonormal scaling.

    N x C x H x W, float32. Real and imaginary parts count separately; the redundant half of the
    spectrum is left out.
    """
    difference = torch.fft.rfft2(output - target, norm="ortho")
    return torch.view_as_real(difference).abs().mean()
