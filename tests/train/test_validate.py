from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_run import CONFIG, CPU, clean_pictures, noise, picture, picture_pairs

from restore.degrade.recipes import Recipe
from restore.errors import TrainingError
from restore.networks.maxim.network import Maxim
from restore.train.validate import MOST, Validation, write_sheet


def validation(*held: object) -> Validation:
    return Validation(held, Recipe(noise), CPU, CONFIG)  # type: ignore[arg-type]


def unchanging() -> Maxim:
    """The identity: nothing is added to the input."""
    model = Maxim(CONFIG.network)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    return model


def test_the_psnr_is_that_of_the_restored_pictures() -> None:
    degraded = np.full((256, 256, 3), 100, np.uint8)
    looked, sheet = validation(picture_pairs((degraded, degraded + 10))).look(unchanging(), False)
    assert looked == pytest.approx(20 * np.log10(255 / 10), abs=1e-3)
    assert np.unique(sheet[:, :512]).tolist() == [100]
    assert np.unique(sheet[:, 512:]).tolist() == [110]


def test_the_same_pictures_are_degraded_the_same_way_each_time() -> None:
    held = clean_pictures(*(picture(300, 280, seed) for seed in range(20)))
    one, other = (validation(held) for _ in range(2))
    model = unchanging()
    for _ in range(2):
        found, sheet = one.look(model, False)
        assert found == other.look(model, False)[0]
        np.testing.assert_array_equal(sheet, other.look(model, False)[1])
    assert len(one) == MOST


def test_the_middle_of_a_picture_is_shown() -> None:
    shown = picture(300, 280)
    _, sheet = validation(clean_pictures(shown)).look(unchanging(), False)
    np.testing.assert_array_equal(sheet[:, 512:], shown[22:278, 12:268])


@pytest.mark.parametrize(("sides", "size"), [((0, 64), 512), ((64, 128), 128), ((64,), 64)])
def test_pictures_have_the_largest_size_trained_on(sides: tuple[int, ...], size: int) -> None:
    left = np.zeros((512, 512, 3), np.uint8)
    left[:, :256] = 200
    config = replace(CONFIG, sides=sides)
    looking = Validation([clean_pictures(left)], Recipe(noise), CPU, config)
    _, sheet = looking.look(unchanging(), False)
    # 256 pixels are shown, reflected where the picture is smaller.
    lit = (sheet[128, 512:] > 100).mean()
    assert lit == 0.5
    changes = np.count_nonzero(np.diff((sheet[128, 512:, 0] > 100).astype(int)))
    assert changes == max(1, 256 // size)


def test_nothing_held_out_is_no_validation() -> None:
    assert not validation(clean_pictures(), picture_pairs())


def test_a_sheet_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"validation\.png: cannot be written"):
        write_sheet(np.zeros((2, 2, 3), np.uint8), tmp_path / "no" / "validation.png")
    write_sheet(np.zeros((2, 2, 3), np.uint8), tmp_path / "validation.png")
    with Image.open(tmp_path / "validation.png") as file:
        assert file.size == (2, 2)
