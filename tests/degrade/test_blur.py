from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator, Tensor
from torch.nn import functional as F

from restore.degrade.blur import Blur, blur
from restore.degrade.kernels import (
    apply_kernels,
    defocus_kernels,
    fit,
    shake_kernels,
    splat,
    trajectories,
)

SILENT = Blur(sigma=(0, 0), none=0)
SHAKEN, UNFOCUSED = replace(SILENT, defocus=0), replace(SILENT, defocus=1)
KINDS = {
    "one shake": replace(SHAKEN, varying=0),
    "varying shake": replace(SHAKEN, varying=1),
    "one disc": replace(UNFOCUSED, varying=0),
    "varying discs": replace(UNFOCUSED, varying=1),
}
kinds = pytest.mark.parametrize("ranges", KINDS.values(), ids=KINDS)
seeds = st.integers(0, 2**32)


def seeded(seed: int = 0) -> Generator:
    return torch.Generator().manual_seed(seed)


def textured(n: int = 16, side: int = 64) -> Tensor:
    """Coarse and fine detail, as photographs have."""
    total = torch.zeros(n, 3, side, side)
    for cells in (4, 16, 64):
        detail = torch.rand(n, 3, cells, cells, generator=seeded(cells))
        total += F.interpolate(detail, size=(side, side), mode="bicubic") / 3
    return total.clamp(0, 1)


def pixels(size: int) -> Tensor:
    return torch.arange(size, dtype=torch.float64) - (size - 1) / 2


def moments(kernels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of each kernel: energy, centroid's distance from the centre, mean square distance from it."""
    k, place = kernels.double(), pixels(kernels.shape[-1])
    x, y = (k * place).sum(dim=(-1, -2)), (k * place[:, None]).sum(dim=(-1, -2))
    square = (k * (place**2 + place[:, None] ** 2)).sum(dim=(-1, -2))
    return k.sum(dim=(-1, -2)), torch.hypot(x, y), square


def psnr(image: Tensor, other: Tensor) -> Tensor:
    return -10 * (image - other).square().mean(dim=(1, 2, 3)).log10()


# Kernels of shake


@settings(max_examples=20, deadline=None)
@given(seed=seeds, n=st.integers(1, 6), half=st.integers(1, 20), share=st.floats(0, 1))
def test_shake_is_light_that_is_kept_and_not_displaced(
    seed: int, n: int, half: int, share: float
) -> None:
    kernels = shake_kernels(n, 2 * half + 1, seeded(seed), 1 + 2 * half * share)
    assert kernels.shape == (n, 2 * half + 1, 2 * half + 1)
    assert kernels.dtype == torch.float32
    assert (kernels >= 0).all()
    energy, shift, _ = moments(kernels)
    torch.testing.assert_close(energy, torch.ones_like(energy), rtol=0, atol=1e-5)
    assert shift.max() < 1e-3


@settings(max_examples=30, deadline=None)
@given(seed=seeds, half=st.integers(0, 18))
def test_shake_reaches_as_far_as_asked_and_no_farther(seed: int, half: int) -> None:
    kernels = shake_kernels(8, 41, seeded(seed), 2 * half + 1)
    place = pixels(41).abs()
    distance = torch.maximum(place, place[:, None])
    # A pixel farther lies what rounding pushes over the edge.
    assert kernels[:, distance > half].amax(dim=1, keepdim=True).max() < 1e-5
    assert (kernels[:, distance == half].amax(dim=1) > 0).all()


def test_shake_takes_an_extent_for_each_kernel() -> None:
    _, _, square = moments(shake_kernels(400, 41, seeded(), torch.tensor([5.0, 41.0]).repeat(200)))
    ratio = square[1::2].mean() / square[::2].mean()
    assert ratio.item() == pytest.approx((40 / 4) ** 2, rel=0.25)


def shapes() -> Tensor:
    """Mean square of x + iy over its mean square size, of 2000 trajectories.

    Its absolute value is 1 on a straight line and 0 in a round tangle; its angle is twice the
    line's.
    """
    points = fit(trajectories(2000, seeded())[:, None], torch.ones(2000))[:, 0]
    return points.square().mean(dim=1) / points.abs().square().mean(dim=1)


def test_shake_goes_in_every_direction_alike() -> None:
    for factor in (1, 2):
        assert (factor * shapes().angle() * 1j).exp().mean().abs() < 4 / math.sqrt(2000)


def test_shake_is_straight_or_curved_or_tangled() -> None:
    straightness = shapes().abs()
    assert (straightness > 0.98).float().mean() > 0.1
    assert (straightness < 0.8).float().mean() > 0.25


def test_some_smooth_shake_reverses_abruptly() -> None:
    steps = trajectories(2000, seeded()).diff(dim=1)
    turns = (steps[:, 1:] / steps[:, :-1]).angle().abs()
    smooth = turns.median(dim=1).values < 0.1
    reversing = (turns.amax(dim=1) > 2)[smooth].float().mean()
    assert 0.1 < reversing < 0.5


def test_trajectories_are_continuous() -> None:
    points = fit(trajectories(500, seeded())[:, None], torch.full((500,), 20.0))[:, 0]
    steps = points.diff(dim=1).abs()
    assert steps.max() < 4.5  # pixels of the largest kernel, in a tangle
    assert steps.mean(dim=1).median() < 0.7


@settings(max_examples=40, deadline=None)
@given(x=st.floats(-7, 7), y=st.floats(-7, 7))
def test_a_point_is_shared_so_that_its_centroid_is_the_point(x: float, y: float) -> None:
    kernel = splat(torch.tensor([x + 1j * y], dtype=torch.complex64), 15).double()
    assert (kernel * pixels(15)).sum().item() == pytest.approx(x, abs=1e-5)
    assert (kernel * pixels(15)[:, None]).sum().item() == pytest.approx(y, abs=1e-5)


def test_paths_of_one_picture_keep_their_proportion() -> None:
    paths = trajectories(6, seeded()).reshape(3, 2, -1)
    paths[:, 1] = paths[:, 0] / 4
    fitted = fit(paths, torch.tensor([1.0, 2.0, 3.0]))
    torch.testing.assert_close(fitted[:, 1], fitted[:, 0] / 4)
    reach = torch.view_as_real(fitted).abs().amax(dim=(1, 2, 3))
    torch.testing.assert_close(reach, torch.tensor([1.0, 2.0, 3.0]))


# Kernels of defocus


@settings(max_examples=30, deadline=None)
@given(radius=st.floats(0, 6))
def test_a_disc_is_light_that_is_kept_and_not_displaced(radius: float) -> None:
    kernel = defocus_kernels(torch.tensor([radius]), 15)
    energy, shift, _ = moments(kernel)
    assert energy.item() == pytest.approx(1, abs=1e-5)
    assert shift.item() < 1e-5
    assert (kernel >= 0).all()
    assert torch.equal(kernel, kernel.transpose(1, 2))


@pytest.mark.parametrize(("low", "high", "off"), [(1.0, 2.5, 0.17), (2.5, 12.0, 0.03)])
def test_a_disc_has_the_radius_asked_for(low: float, high: float, off: float) -> None:
    radius = torch.linspace(low, high, 200)
    _, _, square = moments(defocus_kernels(radius, 27))
    torch.testing.assert_close(square.float(), radius**2 / 2, rtol=off, atol=0)


def test_a_disc_is_flat_inside_and_empty_outside() -> None:
    kernel = defocus_kernels(torch.tensor(5.0), 15)
    distance = torch.hypot(pixels(15)[:, None], pixels(15))
    inside = kernel[distance < 4]
    torch.testing.assert_close(
        inside, torch.full_like(inside, 1 / (25 * math.pi)), rtol=0.03, atol=0
    )
    assert (kernel[distance > 6] == 0).all()


# Convolution


def slow(image: Tensor, kernels: Tensor, mode: str) -> Tensor:
    """N x C x H x W by one kernel each, without FFT."""
    margin = kernels.shape[-1] // 2
    padded = F.pad(image, (margin,) * 4, mode=mode)
    return torch.stack(
        [
            F.conv2d(picture[:, None], kernel.flip(0, 1)[None, None])[:, 0]
            for picture, kernel in zip(padded, kernels, strict=True)
        ]
    )


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (5, 6), (7, 40), (8, 8), (70, 50)])
def test_convolution_by_fft_is_convolution(size: tuple[int, int]) -> None:
    image = torch.rand(3, 3, *size, generator=seeded())
    kernels = torch.rand(3, 15, 15, generator=seeded(1))
    kernels /= kernels.sum(dim=(1, 2), keepdim=True)
    mode = "reflect" if min(size) > 7 else "replicate"
    expected = slow(image, kernels, mode)
    torch.testing.assert_close(apply_kernels(image, kernels[:, None]), expected, rtol=0, atol=1e-5)


def test_a_point_shows_the_kernel_the_right_way_round() -> None:
    point = torch.zeros(1, 1, 51, 51)
    point[..., 25, 25] = 1
    kernel = shake_kernels(1, 21, seeded())
    seen = apply_kernels(point, kernel[:, None])[0, :, 15:36, 15:36]
    torch.testing.assert_close(seen, kernel, rtol=0, atol=1e-6)


@pytest.mark.parametrize("without", [0, slice(None)], ids=["one picture", "every picture"])
def test_weights_choose_kernels_pixel_by_pixel(without: int | slice) -> None:
    image, kernels = textured(2, 48), shake_kernels(6, 15, seeded()).reshape(2, 3, 15, 15)
    weights = torch.rand(2, 3, 48, 48, generator=seeded(1))
    weights[without, 2] = 0  # pictures that do not need one of the kernels
    weights /= weights.sum(dim=1, keepdim=True)
    expected = sum(slow(image, kernels[:, k], "reflect") * weights[:, k, None] for k in range(3))
    torch.testing.assert_close(apply_kernels(image, kernels, weights), expected, rtol=0, atol=1e-5)


def test_without_weights_kernels_count_alike() -> None:
    image, kernels = textured(2, 32), shake_kernels(6, 15, seeded()).reshape(2, 3, 15, 15)
    mean = apply_kernels(image, kernels.mean(dim=1, keepdim=True))
    torch.testing.assert_close(apply_kernels(image, kernels), mean, rtol=0, atol=1e-5)


# The whole


@settings(max_examples=25, deadline=None)
@given(seed=seeds, height=st.integers(1, 70), width=st.integers(1, 50))
def test_blur_works_at_any_size_and_stays_in_range(seed: int, height: int, width: int) -> None:
    image = torch.rand(3, 3, height, width, generator=seeded(seed)).round()
    before = image.clone()
    blurred = blur(image, seeded(seed))
    assert blurred.shape == image.shape
    assert blurred.dtype == torch.float32
    assert blurred.min() >= 0  # and no NaN
    assert blurred.max() <= 1
    assert torch.equal(image, before)


def test_blur_follows_from_its_generator_alone() -> None:
    image, state = textured(), torch.get_rng_state()
    assert torch.equal(blur(image, seeded(1)), blur(image, seeded(1)))
    assert not torch.equal(blur(image, seeded(1)), blur(image, seeded(2)))
    generator = seeded(1)
    assert not torch.equal(blur(image, generator), blur(image, generator))
    assert torch.equal(torch.get_rng_state(), state)


@kinds
def test_pictures_of_a_batch_do_not_mix(ranges: Blur) -> None:
    image = textured(4)
    other = image.clone()
    other[2] = 1 - other[2]
    one, two = blur(image, seeded(), ranges), blur(other, seeded(), ranges)
    assert torch.equal(one[[0, 1, 3]], two[[0, 1, 3]])
    assert not torch.equal(one[2], two[2])


def test_pictures_of_a_batch_are_blurred_differently() -> None:
    image = textured(1).repeat(6, 1, 1, 1)
    blurred = blur(image, seeded(), SILENT)
    for i in range(5):
        assert (blurred[i] - blurred[i + 1]).abs().max() > 0.01


def test_blur_of_scale_zero_only_clips() -> None:
    image = 2 * textured() - 0.5
    assert torch.equal(blur(image, seeded(), scale=0), image.clamp(0, 1))


def test_blur_grows_with_the_scale_from_nothing() -> None:
    image = textured()
    scales = (1e-4, 0.3, 1.0, 1.5)
    almost, small, usual, large = (psnr(blur(image, seeded(), SILENT, s), image) for s in scales)
    assert almost.min() > 60
    assert small.mean() > usual.mean() + 2 > large.mean() + 2.3


def test_the_fraction_asked_for_is_left_sharp() -> None:
    image = textured(200, 16)
    same = (blur(image, seeded(), Blur(none=0.3)) == image).flatten(1).all(dim=1)
    assert same.float().mean().item() == pytest.approx(0.3, abs=0.1)
    assert torch.equal(blur(image, seeded(), Blur(none=1)), image)


@kinds
@pytest.mark.parametrize("level", [0.0, 0.2, 1.0])
def test_a_flat_picture_keeps_its_brightness(ranges: Blur, level: float) -> None:
    flat = torch.full((4, 3, 40, 56), level)
    torch.testing.assert_close(blur(flat, seeded(), ranges), flat, rtol=0, atol=1e-5)


@kinds
def test_light_is_kept(ranges: Blur) -> None:
    spot = torch.zeros(8, 3, 128, 128)
    spot[..., 56:72, 60:68] = 0.8
    blurred = blur(spot, seeded(), ranges)
    light, before = (x.double().pow(2.2).sum(dim=(1, 2, 3)) for x in (blurred, spot))
    # Where weights change within a kernel's reach, a little is given or taken.
    off = 0.12 if ranges.varying else 1e-3
    torch.testing.assert_close(light, before, rtol=off, atol=0)


@kinds
def test_nothing_is_displaced(ranges: Blur) -> None:
    disc = torch.hypot(pixels(128)[:, None], pixels(128)) < 8
    blurred = blur(0.8 * disc.float().expand(8, 3, 128, 128), seeded(), ranges)
    light = blurred.double() ** 2.2
    light /= light.sum(dim=(-1, -2), keepdim=True)
    _, shift, _ = moments(light)
    assert shift.max() < (0.8 if ranges.varying else 0.05)


def test_blur_happens_in_linear_light() -> None:
    # Half white and half black in equal light look like 0.5 ** (1 / 2.2), not like 0.5.
    stripes = (torch.arange(96) % 2).float().expand(40, 3, 96, 96)
    ranges = replace(UNFOCUSED, varying=0, radius=(6, 6))
    blurred = blur(stripes, seeded(), ranges)
    assert blurred.mean().item() == pytest.approx(0.5 ** (1 / 2.2), abs=0.01)
    assert blur(stripes, seeded(), replace(ranges, gamma=1)).mean().item() == pytest.approx(
        0.5, abs=0.01
    )


def place_to_place(ranges: Blur) -> Tensor:
    """How differently four equal spots of a picture look afterwards, one number a picture."""
    spots = torch.zeros(24, 3, 192, 192)
    centres = (36, 156)
    for y in centres:
        for x in centres:
            spots[..., y, x] = 1
    light = blur(spots, seeded(), ranges) ** 2.2
    cuts = [light[:, 0, y - 24 : y + 25, x - 24 : x + 25] for y in centres for x in centres]
    return torch.stack(cuts).std(dim=0).sum(dim=(1, 2))


def test_only_varying_blur_changes_over_the_picture() -> None:
    for one, varying in (("one shake", "varying shake"), ("one disc", "varying discs")):
        assert place_to_place(KINDS[one]).max() < 1e-3
        assert place_to_place(KINDS[varying]).min() > 0.01


def test_varying_blur_changes_smoothly() -> None:
    # Without detail nothing moves, so only a jump between kernels could make an edge.
    ramp = torch.linspace(0.2, 0.8, 128)[:, None].expand(16, 3, 128, 128) ** (1 / 2.2)
    blurred = blur(ramp, seeded(), KINDS["varying shake"]) ** 2.2
    inner = blurred[..., 24:-24, 24:-24]
    assert inner.diff(dim=3).abs().max() < 1e-3


# Strength


@pytest.mark.parametrize("asked", [2 / 255, 5 / 255])
def test_noise_has_the_sigma_asked_for(asked: float) -> None:
    flat = torch.full((16, 3, 64, 64), 0.5)
    added = blur(flat, seeded(), Blur(sigma=(asked, asked), none=0)) - flat
    torch.testing.assert_close(
        added.std(dim=(1, 2, 3)), torch.full((16,), asked), rtol=0.05, atol=0
    )
    half = blur(flat, seeded(), Blur(sigma=(asked, asked), none=0), scale=0.5) - flat
    assert half.std().item() == pytest.approx(asked / 2, rel=0.02)


def test_more_severe_blur_does_more_harm() -> None:
    image = textured(32)
    weak, middle, strong = (
        psnr(blur(image, seeded(), Blur().at(s)), image).mean() for s in (0.2, 0.6, 1.0)
    )
    assert weak > middle + 1.5 > strong + 2


@given(severity=st.floats(0.01, 1))
def test_a_severity_pins_the_strength_and_nothing_else(severity: float) -> None:
    ranges, pinned = Blur(), Blur().at(severity)
    for low, high in (pinned.extent, pinned.radius, pinned.sigma):
        assert low == high
    assert pinned.none == 0
    assert pinned.extent[1] <= ranges.extent[1]
    free = {"extent": ranges.extent, "radius": ranges.radius, "sigma": ranges.sigma, "none": 0.05}
    assert replace(pinned, **free) == ranges


def test_the_highest_severity_is_the_end_of_every_range() -> None:
    pinned, ranges = Blur().at(1), Blur()
    assert pinned.extent == (ranges.extent[1],) * 2
    assert pinned.radius == (ranges.radius[1],) * 2
    assert pinned.sigma == (ranges.sigma[1],) * 2
