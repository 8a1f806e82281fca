from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator, Tensor

from restore.degrade.depth import FIELD, LAYERS, PLANE, RAMP, guided_filter, pseudo_depth

KINDS = {"ramp": RAMP, "plane": PLANE, "field": FIELD, "layers": LAYERS}
kinds = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
SIDES = st.integers(1, 40)


def seeded(seed: int = 0) -> Generator:
    return torch.Generator().manual_seed(seed)


def colours(n: int = 8, height: int = 32, width: int = 32) -> Tensor:
    return torch.rand(n, 3, height, width, generator=seeded(99))


def only(kind: int) -> tuple[float, ...]:
    return tuple(float(which == kind) for which in KINDS.values())


def step(n: int, side: int = 64) -> Tensor:
    """Dark on the left, bright on the right."""
    return torch.where(torch.arange(side) < side // 2, 0.2, 0.8).expand(n, 3, side, side)


@settings(deadline=None, max_examples=40)
@given(SIDES, SIDES, st.integers(0, 1000))
def test_pseudo_depth_is_positive_at_any_size(height: int, width: int, seed: int) -> None:
    depth = pseudo_depth(colours(4, height, width), seeded(seed))
    assert depth.shape == (4, 1, height, width)
    assert depth.dtype == torch.float32
    assert depth.isfinite().all()
    assert (depth > 0).all()


def test_pseudo_depth_follows_from_its_generator_alone() -> None:
    image, state = colours(), torch.get_rng_state()
    assert torch.equal(pseudo_depth(image, seeded(1)), pseudo_depth(image, seeded(1)))
    assert not torch.equal(pseudo_depth(image, seeded(1)), pseudo_depth(image, seeded(2)))
    assert torch.equal(torch.get_rng_state(), state)


@kinds
def test_every_kind_of_depth_varies_as_a_scene_does(kind: int) -> None:
    depth = pseudo_depth(colours(64), seeded(), only(kind)).flatten(1)
    near, far = depth.quantile(0.02, dim=1), depth.quantile(0.98, dim=1)
    assert 1.5 < (far / near).median() < 20


def test_the_kinds_come_in_their_shares() -> None:
    # The first draws are the same for all shares: a picture's depth tells which kind it got.
    image = colours(400, 8, 8)
    mixed = pseudo_depth(image, seeded(), (0.35, 0.2, 0.15, 0.3))
    for kind, share in zip(KINDS.values(), (0.35, 0.2, 0.15, 0.3), strict=True):
        same = (pseudo_depth(image, seeded(), only(kind)) == mixed).flatten(1).all(dim=1)
        assert same.float().mean().item() == pytest.approx(share, abs=0.07)


def test_a_ramp_is_far_at_the_top_and_a_plane_has_no_favourite_side() -> None:
    def farther_at_the_top(kind: int) -> float:
        depth = pseudo_depth(colours(200), seeded(), only(kind))
        halves = (half.mean(dim=(1, 2, 3)) for half in depth.chunk(2, dim=2))
        top, bottom = halves
        return (top > bottom).float().mean().item()

    assert farther_at_the_top(RAMP) > 0.9
    assert farther_at_the_top(PLANE) == pytest.approx(0.5, abs=0.1)


def test_layers_say_nothing_of_brightness_on_average() -> None:
    depth = pseudo_depth(step(400, 32), seeded(), only(LAYERS)).log()
    left, right = (half.mean(dim=(1, 2, 3)) for half in depth.chunk(2, dim=3))
    assert abs((right - left).mean().item()) < 0.2 * (right - left).std().item()
    assert (right - left).abs().mean() > 0.1


def test_layers_have_their_edges_where_the_picture_has() -> None:
    depth = pseudo_depth(step(64), seeded(), only(LAYERS)).log()
    across = depth.diff(dim=3).abs().mean(dim=(0, 1, 2))
    assert across.argmax() == 31
    assert across[31] > 4 * across.median()


# The guided filter


@pytest.mark.parametrize("shift", [-3, -1, 0, 2, 4])
def test_the_guided_filter_moves_an_edge_to_that_of_the_picture(shift: int) -> None:
    guide = step(1)[:, :1]
    source = guide.roll(shift, dims=3)[..., 8:-8]
    edge = guided_filter(guide[..., 8:-8], source, 6, 1e-4).diff(dim=3).abs().mean(dim=(0, 1, 2))
    assert edge.argmax() == 23
    assert edge[23] > 4 * edge.sort().values[-2]


def test_without_an_edge_in_the_picture_an_edge_in_depth_is_smoothed() -> None:
    flat, source = torch.full((1, 1, 64, 64), 0.5), step(1)[:, :1]
    smoothed = guided_filter(flat, source, 4, 1e-3).diff(dim=3).abs()
    assert smoothed.max() < 0.15 * source.diff(dim=3).abs().max()


@settings(deadline=None, max_examples=40)
@given(SIDES, SIDES, st.integers(1, 12), st.floats(-3, 3))
def test_the_guided_filter_keeps_a_constant(
    height: int, width: int, radius: int, level: float
) -> None:
    guide, source = colours(2, height, width)[:, :1], torch.full((2, 1, height, width), level)
    torch.testing.assert_close(guided_filter(guide, source, radius, 1e-3), source)


@settings(deadline=None, max_examples=25)
@given(st.integers(2, 14), st.integers(2, 14), st.integers(1, 5))
def test_the_guided_filter_is_the_regression_of_the_paper(
    height: int, width: int, radius: int
) -> None:
    """Against its definition: a ridge regression in each window, then the mean of the answers."""
    guide, source = torch.rand(2, height, width, dtype=torch.float64, generator=seeded(3))
    places = [(row, column) for row in range(height) for column in range(width)]

    def window(row: int, column: int) -> tuple[slice, slice]:
        return (
            slice(max(row - radius, 0), row + radius + 1),
            slice(max(column - radius, 0), column + radius + 1),
        )

    lines = torch.zeros(2, height, width, dtype=torch.float64)
    for place in places:
        i, p = guide[window(*place)], source[window(*place)]
        slope = ((i * p).mean() - i.mean() * p.mean()) / (i.var(correction=0) + 0.01)
        lines[(slice(None), *place)] = torch.stack((slope, p.mean() - slope * i.mean()))
    expected = torch.zeros_like(guide)
    for place in places:
        slope, offset = lines[(slice(None), *window(*place))].mean(dim=(1, 2))
        expected[place] = slope * guide[place] + offset
    result = guided_filter(guide[None, None], source[None, None], radius, 0.01)[0, 0]
    torch.testing.assert_close(result, expected)
