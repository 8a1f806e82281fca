from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from restore.train.config import TrainConfig
from restore.train.losses import charbonnier, fft_l1, negative_psnr, weighted_loss

SHAPES = [(2, 3, 8, 8), (1, 3, 5, 7), (3, 3, 4, 9)]


def pair(shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.random(shape, dtype=np.float32), rng.random(shape, dtype=np.float32)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("eps", [1e-3, 0.1])
def test_charbonnier_is_its_formula(shape: tuple[int, ...], eps: float) -> None:
    a, b = pair(shape)
    expected = np.sqrt((a - b).astype(float) ** 2 + eps**2).mean()
    loss = charbonnier(torch.from_numpy(a), torch.from_numpy(b), eps)
    assert loss.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_fft_l1_is_its_formula(shape: tuple[int, ...]) -> None:
    a, b = pair(shape)
    one, other = (np.fft.rfft2(x.astype(float), norm="ortho") for x in (a, b))
    expected = np.stack([(one - other).real, (one - other).imag])
    loss = fft_l1(torch.from_numpy(a), torch.from_numpy(b))
    assert loss.item() == pytest.approx(np.abs(expected).mean(), rel=1e-5)


def test_negative_psnr_is_the_mean_over_images() -> None:
    target = torch.full((2, 3, 8, 8), 0.5)
    output = target + torch.tensor([0.1, 0.01])[:, None, None, None]
    assert negative_psnr(output, target).item() == pytest.approx(-30, abs=0.3)  # 20 and 39.6 dB


def test_negative_psnr_ends_at_50_decibels() -> None:
    image = torch.rand(1, 3, 8, 8)
    assert negative_psnr(image, image).item() == pytest.approx(-50, abs=1e-4)


def test_losses_are_summed_by_their_weights() -> None:
    a, b = map(torch.from_numpy, pair(SHAPES[0]))
    config = TrainConfig(
        charbonnier_weight=2.0, charbonnier_eps=0.1, fft_weight=0.5, psnr_weight=0.25
    )
    expected = 2 * charbonnier(a, b, 0.1) + 0.5 * fft_l1(a, b) + 0.25 * negative_psnr(a, b)
    assert weighted_loss(a, b, config).item() == pytest.approx(expected.item(), rel=1e-6)


@pytest.mark.parametrize("loss", [lambda a, b: charbonnier(a, b, 1e-3), fft_l1, negative_psnr])
def test_gradients_vanish_where_nothing_differs(loss: Callable[[Tensor, Tensor], Tensor]) -> None:
    # Training starts at the identity, where a root or a modulus would have no gradient.
    output = torch.rand(1, 3, 8, 8, requires_grad=True)
    loss(output, output.detach().clone()).backward()
    assert output.grad is not None
    assert torch.equal(output.grad, torch.zeros_like(output))
