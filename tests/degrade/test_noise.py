from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from restore.degrade import CameraNoise, camera_noise, gaussian_noise, noise
from restore.degrade.recipes import MAX_SIGMA, denoise

DEGRADATIONS: dict[str, Callable[[Tensor, Generator], Tensor]] = {
    "gaussian": lambda image, generator: gaussian_noise(image, 0.1, generator),
    "camera": camera_noise,
    "denoise": denoise,
}
degradations = pytest.mark.parametrize("degrade", DEGRADATIONS.values(), ids=DEGRADATIONS)
sizes = pytest.mark.parametrize("size", [(1, 1), (1, 7), (2, 2), (7, 13), (33, 16)])

PLAIN = CameraNoise(correlated=0, jpeg=0)
BARELY = 1e-4  # a scale at which the whole camera runs and the noise cannot be seen


def seeded(seed: int = 0) -> Generator:
    return torch.Generator().manual_seed(seed)


def colours(n: int = 8, side: int = 32) -> Tensor:
    return torch.rand(n, 3, side, side, generator=seeded(99))


def grey(level: float, n: int = 8, side: int = 64) -> Tensor:
    return torch.full((n, 3, side, side), level)


# All of them


@degradations
@sizes
def test_a_degradation_keeps_shape_and_type_and_its_input(
    degrade: Callable[[Tensor, Generator], Tensor], size: tuple[int, int]
) -> None:
    clean = torch.rand(8, 3, *size, generator=seeded())
    before = clean.clone()
    result = degrade(clean, seeded(1))
    assert result.shape == clean.shape
    assert result.dtype == torch.float32
    assert result.isfinite().all()
    assert not torch.equal(result, clean)
    assert torch.equal(clean, before)


@degradations
def test_a_degradation_follows_from_its_generator_alone(
    degrade: Callable[[Tensor, Generator], Tensor],
) -> None:
    clean, state = colours(), torch.get_rng_state()
    assert torch.equal(degrade(clean, seeded(1)), degrade(clean, seeded(1)))
    assert not torch.equal(degrade(clean, seeded(1)), degrade(clean, seeded(2)))
    assert torch.equal(torch.get_rng_state(), state)


# Gaussian noise


@pytest.mark.parametrize("sigma", [5 / 255, 25 / 255, 50 / 255])
def test_gaussian_noise_has_the_sigma_asked_for_and_no_bias(sigma: float) -> None:
    clean = colours(16, 64)
    added = gaussian_noise(clean, sigma, seeded()) - clean
    assert added.std().item() == pytest.approx(sigma, rel=0.01)
    assert abs(added.mean().item()) < 4 * sigma / math.sqrt(added.numel())


def test_gaussian_noise_takes_a_sigma_for_each_picture() -> None:
    sigma = torch.tensor([0.0, 0.05, 0.2])
    added = gaussian_noise(grey(0.5, 3), sigma, seeded()) - 0.5
    torch.testing.assert_close(added.std(dim=(1, 2, 3)), sigma, rtol=0.03, atol=1e-7)


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_gaussian_noise_is_not_clipped(level: float) -> None:
    outside = (gaussian_noise(grey(level), 0.1, seeded()) - 0.5).abs() > 0.5
    assert outside.float().mean().item() == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("sigma", [0.0, torch.zeros(8)], ids=["number", "tensor"])
def test_gaussian_noise_of_sigma_zero_is_none(sigma: float | Tensor) -> None:
    clean = colours()
    assert torch.equal(gaussian_noise(clean, sigma, seeded()), clean)


# The camera, without its noise


def test_camera_noise_of_scale_zero_only_clips() -> None:
    image = 2 * colours() - 0.5
    assert torch.equal(camera_noise(image, seeded(), scale=0), image.clamp(0, 1))


def test_camera_noise_stays_in_range() -> None:
    noisy = camera_noise(colours(32).round(), seeded())
    assert noisy.min() >= 0
    assert noisy.max() <= 1 + 1e-6  # the tone curve rounds white up by the last bit


def test_there_and_back_through_the_camera_is_the_same_picture() -> None:
    clean = 0.05 + 0.85 * colours(32)
    back = camera_noise(clean, seeded(), CameraNoise(jpeg=0), scale=BARELY)
    torch.testing.assert_close(back, clean, rtol=0, atol=1e-3)


def test_highlights_come_back_hardly_brighter() -> None:
    ramp = torch.linspace(0.9, 1, 101).expand(32, 3, 4, 101)
    back = camera_noise(ramp, seeded(), PLAIN, scale=BARELY)
    assert ((back - ramp).abs() < 0.005).all()
    torch.testing.assert_close(back[..., -1], ramp[..., -1], rtol=0, atol=1e-4)


def test_blown_out_white_shows_hardly_any_noise() -> None:
    # It is at the sensor's limit, far above what the white balance needs: noise is cut off there.
    assert (camera_noise(grey(1.0, 64), seeded(), PLAIN) < 0.99).float().mean() < 0.02


def test_grey_stays_grey() -> None:
    ramp = torch.linspace(0, 1, 101).expand(32, 3, 4, 101)
    back = camera_noise(ramp, seeded(), PLAIN, scale=BARELY)
    assert (back.amax(dim=1) - back.amin(dim=1)).max() < 1e-3


# The camera's noise, in the linear light where it arises


def encode(linear: np.ndarray | float) -> np.ndarray:
    """Gamma 2.2, then the smoothstep tone curve: the paper's way from linear light to sRGB."""
    x = np.asarray(linear) ** (1 / 2.2)
    return 3 * x**2 - 2 * x**3


def decode(image: Tensor) -> np.ndarray:
    table = np.linspace(0, 1, 200_001)
    return np.interp(image.numpy(), encode(table), table)


def variances(linear: float, ranges: CameraNoise, n: int = 32, scale: float = 1) -> np.ndarray:
    """Noise of flat grey at a level of linear light, N x 3; one seed, hence the same camera."""
    noisy = camera_noise(grey(float(encode(linear)), n), seeded(1), ranges, scale)
    return decode(noisy).var(axis=(2, 3))


def shot_and_read(ranges: CameraNoise, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Of each picture: how noise variance grows with light, and what it starts from."""
    dark, bright = (variances(level, ranges, n).mean(axis=1) for level in (0.25, 0.5))
    shot = (bright - dark) / 0.25
    return shot, dark - 0.25 * shot


@pytest.fixture
def plain_camera(monkeypatch: pytest.MonkeyPatch) -> None:
    """Raw signal and linear light are one then: no colour matrix and no gains."""

    def camera(n: int, *_: object) -> tuple[Tensor, Tensor]:
        return torch.eye(3).expand(n, 3, 3), torch.ones(n, 3)

    monkeypatch.setattr(noise, "_camera", camera)


def test_noise_variance_grows_in_proportion_to_light() -> None:
    first, second, third = (variances(level, PLAIN).mean(axis=0) for level in (0.1, 0.2, 0.4))
    assert (second > 1.3 * first).all()
    np.testing.assert_allclose(third - second, 2 * (second - first), rtol=0.05)


def test_noise_variance_goes_with_the_square_of_the_scale() -> None:
    half, quarter = (variances(0.3, PLAIN, scale=scale) for scale in (0.5, 0.25))
    np.testing.assert_allclose(quarter, half / 4, rtol=0.02)


def test_white_balance_amplifies_red_and_blue() -> None:
    red, green, blue = variances(0.3, PLAIN).mean(axis=0)
    assert red > 1.5 * green
    assert blue > 1.5 * green


@pytest.mark.usefixtures("plain_camera")
@pytest.mark.parametrize("asked", [3e-3, 1.2e-2])
def test_read_noise_is_tied_to_shot_noise_as_in_the_paper(asked: float) -> None:
    shot, read = shot_and_read(CameraNoise(shot=(asked, asked), correlated=0, jpeg=0), n=96)
    np.testing.assert_allclose(shot, asked, rtol=0.05)
    assert np.log(read).mean() == pytest.approx(2.18 * math.log(asked) + 1.20, abs=0.08)
    assert np.log(read).std() == pytest.approx(0.26, abs=0.05)


@pytest.mark.usefixtures("plain_camera")
def test_shot_noise_is_log_uniform() -> None:
    shot, _ = shot_and_read(PLAIN, n=192)
    low, high = map(math.log, (1e-4, 1.2e-2))
    assert np.log(shot).min() == pytest.approx(low, abs=0.1)
    assert np.log(shot).max() == pytest.approx(high, abs=0.1)
    assert np.log(shot).mean() == pytest.approx((low + high) / 2, abs=0.2)
    assert np.log(shot).std() == pytest.approx((high - low) / math.sqrt(12), abs=0.1)


# Its correlation


def neighbour_correlation(image: Tensor, axis: int) -> Tensor:
    """Of each picture: between pixels side by side along an axis."""
    x = image - image.mean(dim=(2, 3), keepdim=True)
    one, other = x.narrow(axis, 0, x.shape[axis] - 1), x.narrow(axis, 1, x.shape[axis] - 1)
    return (one * other).mean(dim=(1, 2, 3)) / x.square().mean(dim=(1, 2, 3))


@pytest.mark.parametrize("axis", [2, 3])
def test_demosaicing_correlates_neighbours(axis: int) -> None:
    def correlation(fraction: float) -> Tensor:
        ranges = CameraNoise(correlated=fraction, jpeg=0)
        return neighbour_correlation(camera_noise(grey(0.5), seeded(), ranges), axis)

    assert (correlation(0).abs() < 0.05).all()
    assert (correlation(1) > 0.3).all()


def test_the_fraction_asked_for_is_correlated() -> None:
    noisy = camera_noise(grey(0.5, 200, 32), seeded(), CameraNoise(correlated=0.7, jpeg=0))
    share = (neighbour_correlation(noisy, 3) > 0.15).float().mean().item()
    assert share == pytest.approx(0.7, abs=0.07)


@sizes
def test_demosaicing_keeps_a_constant(size: tuple[int, int]) -> None:
    flat = torch.full((2, 3, *size), 0.3)
    torch.testing.assert_close(noise._demosaic(flat), flat)


# JPEG


@pytest.mark.parametrize("fraction", [0.0, 0.5, 1.0])
def test_jpeg_touches_the_fraction_asked_for_and_nothing_else(fraction: float) -> None:
    clean = colours(100, 16)
    plain = camera_noise(clean, seeded(), CameraNoise(jpeg=0))
    some = camera_noise(clean, seeded(), CameraNoise(jpeg=fraction))
    changed = (some != plain).flatten(1).any(dim=1).float().mean().item()
    assert changed == pytest.approx(fraction, abs=0.1 if 0 < fraction < 1 else 0)


def test_jpeg_of_lower_quality_does_more_harm() -> None:
    def harm(quality: float) -> float:
        ranges = CameraNoise(jpeg=1, jpeg_quality=(quality, quality))
        return (camera_noise(clean, seeded(), ranges, scale=BARELY) - clean).abs().mean().item()

    clean = F.interpolate(colours(side=8), scale_factor=4, mode="bilinear")
    assert harm(60) > 1.3 * harm(90)


# The degradation that the denoiser is trained on


@pytest.fixture(scope="module")
def black_and_white() -> tuple[Tensor, Tensor]:
    """1000 pictures and their noise: where nothing is clipped, some of it leaves the range."""
    clean = colours(1000, 12).round()
    return clean, denoise(clean, seeded()) - clean


def is_gaussian(clean: Tensor, added: Tensor) -> Tensor:
    return ((clean + added - 0.5).abs() > 0.5 + 1e-6).flatten(1).any(dim=1)


def test_half_of_the_denoisers_pictures_come_from_a_camera(
    black_and_white: tuple[Tensor, Tensor],
) -> None:
    assert is_gaussian(*black_and_white).float().mean().item() == pytest.approx(0.5, abs=0.04)


def test_the_denoisers_gaussian_half_has_sigma_from_0_to_55(
    black_and_white: tuple[Tensor, Tensor],
) -> None:
    sigma = black_and_white[1][is_gaussian(*black_and_white)].std(dim=(1, 2, 3))
    assert pytest.approx(55 / 255) == MAX_SIGMA
    assert sigma.min() < 0.05 * MAX_SIGMA
    assert sigma.max().item() == pytest.approx(MAX_SIGMA, rel=0.08)
    assert sigma.mean().item() == pytest.approx(MAX_SIGMA / 2, rel=0.08)


def test_the_denoisers_camera_half_is_noisy_too(black_and_white: tuple[Tensor, Tensor]) -> None:
    camera = black_and_white[1][~is_gaussian(*black_and_white)]
    assert (camera.abs().flatten(1).amax(dim=1) > 0).all()
