"""What heads change in a view, as the judge sees it."""

from __future__ import annotations

import torch
from torch import Tensor

from restore.networks.judge.responses import (
    COUNT,
    LIGHT,
    of_places,
    of_scenes,
    response,
)

DETAIL, LIGHT_TAKEN, TONE = 6, 4, 9
"""Places of three numbers in a response."""


def views(count: int, seed: int = 0) -> Tensor:
    return torch.rand(count, 3, 64, 64, generator=torch.Generator().manual_seed(seed))


def test_flat_and_odd_views_give_finite_numbers() -> None:
    odd = torch.cat((torch.zeros(1, 3, 64, 64), torch.ones(1, 3, 64, 64), views(1)))
    for after in (odd, odd.flip(0), odd * 1.2 - 0.1):
        found = response(odd, after)
        assert found.shape == (3, COUNT)
        assert found.isfinite().all()


def test_signs_say_what_a_head_did() -> None:
    view = 0.3 + 0.3 * views(2)
    smoothed = torch.nn.functional.avg_pool2d(view, 3, 1, 1)
    assert (response(view, smoothed)[:, DETAIL] < -1).all()
    assert (response(smoothed, view)[:, DETAIL] > 1).all()
    darker = response(view, view - 0.1)
    assert (darker[:, LIGHT_TAKEN] > 1).all()
    assert (darker[:, TONE] < -0.1).all()


def test_each_scene_is_asked_of_one_head() -> None:
    asked: list[list[float]] = [[], []]

    def head(index: int) -> object:
        def restore(images: Tensor) -> Tensor:
            asked[index] += images.mean((1, 2, 3)).tolist()
            return 1 - images

        return restore

    scenes = torch.cat((views(2), 0.1 * views(1), views(1, seed=1)))
    found = of_scenes(scenes, (head(0), head(1)))  # type: ignore[arg-type]
    assert [len(of) for of in asked] == [3, 1]
    assert min(asked[0]) > LIGHT > max(asked[1])
    unasked = response(scenes, scenes)
    torch.testing.assert_close(found[2, :COUNT], unasked[2])
    torch.testing.assert_close(found[[0, 1, 3], COUNT:], unasked[[0, 1, 3]])


def test_places_without_texture_get_the_mean_of_the_others() -> None:
    places = views(9)[None] * torch.linspace(0.1, 1, 9).view(1, 9, 1, 1, 1)
    found = of_places(places, (torch.sqrt, torch.square), (4, 1))[0]
    first, second = found.split(COUNT, dim=1)
    torch.testing.assert_close(first[5:], response(places[0, 5:], places[0, 5:].sqrt()))
    torch.testing.assert_close(first[0], first[5:].mean(0))
    torch.testing.assert_close(second, response(places[0, 8:], places[0, 8:] ** 2).expand(9, -1))
    assert of_places(places, (), ()).shape == (1, 9, 0)
    assert of_places(places[:, :1], (torch.sqrt,), (4,)).shape == (1, 1, COUNT)
