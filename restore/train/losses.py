"""Losses: Charbonnier and frequency reconstruction (MAXIM, eq. 7 and 8), and PSNR itself."""

from __future__ import annotations

import torch
from torch import Tensor

from restore.train.config import TrainConfig

_HIGHEST = 1e-5
"""Mean squared error of 50 dB. Better images hardly count in `negative_psnr`: untouched patches
would outweigh all others."""


def weighted_loss(output: Tensor, target: Tensor, config: TrainConfig) -> Tensor:
    """Sum the losses of one output by the weights of a configuration, leaving out those of 0.

    N x C x H x W, float32.
    """
    parts = (
        (config.charbonnier_weight, lambda: charbonnier(output, target, config.charbonnier_eps)),
        (config.fft_weight, lambda: fft_l1(output, target)),
        (config.psnr_weight, lambda: negative_psnr(output, target)),
    )
    return sum((weight * loss() for weight, loss in parts if weight), output.new_zeros(()))


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


def negative_psnr(output: Tensor, target: Tensor) -> Tensor:
    """Minus the PSNR in dB, a mean over N x C x H x W images in [0, 1] of at most 50 dB each.

    A tenth of the error counts the same at weak and at strong noise. Chen et al., "Simple Baselines
    for Image Restoration" (ECCV 2022).
    """
    error = (output - target).square().mean((1, 2, 3))
    return 10 * (error + _HIGHEST).log10().mean()
