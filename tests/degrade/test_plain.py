from __future__ import annotations

import pytest
import torch

from restore.degrade.plain import COLOURED, plain


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("size", [(1, 1), (2, 7), (64, 96)])
def test_they_are_pictures(size: tuple[int, int]) -> None:
    pictures = plain(50, *size, seeded())
    assert pictures.shape == (50, 3, *size)
    assert pictures.min() >= 0
    assert pictures.max() <= 1
    assert torch.equal(pictures, plain(50, *size, seeded()))
    assert not torch.equal(pictures, plain(50, *size, seeded(1)))


def test_a_third_each_is_flat_a_ramp_and_a_step() -> None:
    pictures = plain(1500, 32, 32, seeded())
    grey = pictures[(pictures == pictures[:, :1]).flatten(1).all(dim=1), 0]
    levels = torch.tensor([len(picture.unique()) for picture in grey])
    for found in (levels == 1, levels == 2, levels > 2):
        assert found.float().mean().item() == pytest.approx(1 / 3, abs=0.05)
    # Ramps rise evenly: second differences vanish.
    ramps = grey[levels > 2]
    assert ramps.diff(n=2, dim=1).abs().max() < 1e-4
    assert ramps.diff(n=2, dim=2).abs().max() < 1e-4


def test_most_are_grey_and_some_have_a_tint() -> None:
    pictures = plain(900, 8, 8, seeded())
    spread = (pictures.amax(dim=1) - pictures.amin(dim=1)).flatten(1).amax(dim=1)
    assert (spread > 0).float().mean().item() == pytest.approx(COLOURED, abs=0.05)
