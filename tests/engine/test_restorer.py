from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from models import MULTIPLE, save_model, tiny_network

from restore import Restorer
from restore.checkpoints import card as cards
from restore.checkpoints.card import TilePolicy
from restore.errors import CheckpointError, ImageError, ModelNotFoundError, RestoreError
from restore.networks.maxim.network import Maxim

DTYPES = [np.uint8, np.uint16, np.float32]
ODD = (33, 50)  # as every picture here that is to be padded and is not a square


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("identity"), identity=True)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The size of every picture that a network is given."""
    sizes: list[tuple[int, int]] = []
    forward = Restorer._forward  # the network itself is run when it is loaded as well

    def spy(self: Restorer, tiles: np.ndarray, *way: Any) -> np.ndarray:
        sizes.append((tiles.shape[1], tiles.shape[2]))
        return forward(self, tiles, *way)

    monkeypatch.setattr(Restorer, "_forward", spy)
    return sizes


def load(model: Path, **options: Any) -> Restorer:
    return Restorer("denoise", model, **{"device": "cpu", "precision": "float32"} | options)


def picture(*shape: int, dtype: type = np.float32) -> np.ndarray:
    random = np.random.default_rng(sum(shape))
    if dtype == np.float32:
        return random.random(shape, dtype=np.float32)
    return random.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def calls(restore: Restorer, image: np.ndarray) -> list[tuple[int, int]]:
    """Calls of ``progress``."""
    reports: list[tuple[int, int]] = []
    restore(image, lambda done, total: reports.append((done, total)))
    return reports


def officially(image: np.ndarray) -> np.ndarray:
    """The tiny model's result for H x W x 3 float32 by the official evaluation: even size first,
    then half of what lacks on either side, all mirrored. Not clipped."""
    height, width = image.shape[:2]
    even = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="reflect")
    rows, columns = (-side % MULTIPLE // 2 for side in even.shape[:2])
    padded = np.pad(even, ((rows, rows), (columns, columns), (0, 0)), mode="reflect")
    with torch.inference_mode():
        out = tiny_network()(torch.from_numpy(padded.transpose(2, 0, 1).copy())[None])[0]
    return out.numpy().transpose(1, 2, 0)[rows : rows + height, columns : columns + width]


SIDES = st.integers(1, 2 * MULTIPLE + 3)


@settings(deadline=None, max_examples=40)
@given(SIDES, SIDES, st.booleans(), st.sampled_from(DTYPES))
@example(1, 1, True, np.uint8)
@example(1, 67, False, np.uint16)
@example(67, 1, True, np.float32)
def test_pictures_of_any_size_keep_shape_type_and_place(
    identity: Path, height: int, width: int, colour: bool, dtype: type
) -> None:
    image = picture(*((height, width, 3) if colour else (height, width)), dtype=dtype)
    result = load(identity)(image)
    assert result.dtype == dtype
    np.testing.assert_array_equal(result, image)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(45, 70), (45, 70, 3)], ids=["grey", "colour"])
@pytest.mark.parametrize(
    "options",
    [
        {"tile": 32},
        {"tile": 64, "ensemble": True},
        {"tile": "off", "strength": 0.3},
        {"ensemble": True},
        {"precision": "bfloat16"},  # only the correction is computed in it
    ],
    ids=str,
)
def test_no_option_alters_what_the_network_leaves_alone(
    identity: Path, options: dict[str, Any], shape: tuple[int, ...], dtype: type
) -> None:
    image = picture(*shape, dtype=dtype)
    np.testing.assert_array_equal(load(identity, **options)(image), image)


@pytest.mark.parametrize("size", [ODD, (31, 65), (64, 32), (1, 1), (2, 9), (1, 70)], ids=str)
def test_pads_and_crops_as_the_official_evaluation(tiny: Path, size: tuple[int, int]) -> None:
    image = picture(*size, 3)
    expected = np.clip(officially(image), 0, 1)
    assert np.abs(expected - image).max() > 0.05  # the model does something
    np.testing.assert_allclose(load(tiny)(image), expected, atol=2e-6)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_integers_are_scaled_and_rounded(tiny: Path, dtype: type) -> None:
    image, full = picture(*ODD, 3, dtype=dtype), np.iinfo(dtype).max
    restore = load(tiny)
    exact = restore((image / full).astype(np.float32)).astype(np.float64) * full
    np.testing.assert_array_equal(restore(image), np.rint(exact).astype(dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("options", [{}, {"tile": 32}, {"ensemble": True}], ids=str)
def test_grey_stays_grey(tiny: Path, options: dict[str, Any], dtype: type) -> None:
    image = picture(*ODD, dtype=dtype)
    restore = load(tiny, **options)
    result = restore(image)
    assert result.shape == image.shape
    three = restore(np.repeat(image[..., None], 3, axis=2))
    np.testing.assert_array_equal(three, np.repeat(result[..., None], 3, axis=2))


def test_grey_is_the_mean_of_what_the_network_makes_of_three_channels(tiny: Path) -> None:
    image = picture(*ODD)
    full = officially(np.repeat(image[..., None], 3, axis=2))
    assert np.ptp(full, axis=2).max() > 0.1  # the model colours grey
    np.testing.assert_allclose(load(tiny)(image), np.clip(full.mean(axis=2), 0, 1), atol=2e-6)


@pytest.mark.parametrize("strength", [1, 0.5])
def test_floats_out_of_range_are_clipped_only_at_the_end(tiny: Path, strength: float) -> None:
    image = 2 * picture(*ODD, 3) - 0.5
    restore = load(tiny, strength=strength)
    result = restore(image)
    expected = np.clip(image + strength * (officially(image) - image), 0, 1)
    np.testing.assert_allclose(result, expected, atol=3e-6)
    assert np.abs(result - restore(np.clip(image, 0, 1))).max() > 0.01


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [ODD, (*ODD, 3)], ids=["grey", "colour"])
def test_strength_zero_returns_the_input(tiny: Path, shape: tuple[int, ...], dtype: type) -> None:
    image = picture(*shape, dtype=dtype)
    np.testing.assert_array_equal(load(tiny, strength=0)(image), image)


def test_strength_blends_before_anything_is_rounded(tiny: Path) -> None:
    image = picture(*ODD, 3, dtype=np.uint8)
    source = (image / 255).astype(np.float32)
    halfway = (source + officially(source)) / 2
    result = load(tiny, strength=0.5)(image)
    # Within half a level, but for the last digits of float32.
    assert np.abs(result - 255 * np.clip(halfway, 0, 1)).max() < 0.501


def test_ensemble_is_the_mean_over_the_eight_symmetries(tiny: Path) -> None:
    image = picture(*ODD, 3)
    views = []
    for flip in (False, True):
        for quarters in range(4):
            view = np.rot90(np.flip(image, 1) if flip else image, quarters)
            back = np.rot90(officially(view), -quarters)
            views.append(np.flip(back, 1) if flip else back)
    single = np.clip(views[0], 0, 1)
    expected = np.clip(np.mean(views, axis=0), 0, 1)
    assert np.abs(single - expected).max() > 0.01
    np.testing.assert_allclose(load(tiny, ensemble=True)(image), expected, atol=2e-6)


def test_pictures_that_are_none_are_refused(tiny: Path) -> None:
    restore = load(tiny)
    for bad in (picture(8, 8, 5), picture(8), np.zeros((8, 8, 3), int), np.float32([[0, np.nan]])):
        with pytest.raises(ImageError, match=r"\A.+\Z"):
            restore(bad)


def spoil(value: float) -> Callable[[Maxim], object]:
    return lambda network: network.stages[0].output_convs[0].bias.fill_(value)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(
    "options", [{}, {"tile": 32}, {"strength": 0.5}, {"ensemble": True}], ids=str
)
def test_a_result_that_is_not_finite_is_never_returned(
    tmp_path: Path, value: float, options: dict[str, Any]
) -> None:
    restore = load(save_model(tmp_path, change=spoil(value)), **options)
    with pytest.raises(RestoreError, match=r"\Atiny produced NaN or infinity in float32\Z"):
        restore(picture(*ODD, 3, dtype=np.uint8))


def test_advises_float32_where_it_was_not_used(tmp_path: Path) -> None:
    restore = load(save_model(tmp_path, change=spoil(np.nan)), precision="bfloat16")
    with pytest.raises(RestoreError, match=r"in bfloat16; try precision float32\Z"):
        restore(picture(8, 8))


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_whichever_thread_is_first_the_same_picture_gives_the_same_bytes(
    tiny: Path, two_threads: None
) -> None:
    image, restore = picture(*ODD, 3), load(tiny)
    assert restore(image).tobytes() == restore(image).tobytes() == restore(image).tobytes()


@pytest.mark.parametrize("options", [{}, {"tile": 32, "ensemble": True}], ids=str)
def test_the_same_picture_gives_the_same_bytes(tiny: Path, options: dict[str, Any]) -> None:
    image = picture(*ODD, 3)
    first, second = load(tiny, **options), load(tiny, **options)
    assert first(image).tobytes() == first(image).tobytes() == second(image).tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_input_is_neither_changed_nor_needs_to_be_writable(tiny: Path, dtype: type) -> None:
    image = picture(MULTIPLE, MULTIPLE, 3, dtype=dtype)  # no padding, so no copy is needed
    before = image.copy()
    image.setflags(write=False)
    result = load(tiny, strength=0.5)(image)
    np.testing.assert_array_equal(image, before)
    assert result.flags.writeable
    assert not np.shares_memory(result, image)


def test_views_of_other_arrays_are_welcome(tiny: Path) -> None:
    view = picture(90, 70, 3)[::-2, 5::2].transpose(1, 0, 2)
    restore = load(tiny)
    np.testing.assert_array_equal(restore(view), restore(np.ascontiguousarray(view)))


def test_tile_off_runs_the_whole_picture(tiny: Path, seen: list[tuple[int, int]]) -> None:
    assert calls(load(tiny, tile="off"), picture(33, 97)) == [(1, 1)]
    assert seen == [(64, 128)]


@pytest.mark.parametrize(
    ("tile", "expected"),
    [
        (64, (32, 64)),
        (95, (32, 64)),  # rounded down to the size rule
        ("64", (32, 64)),
        (1, (32, 32)),  # but no tile is smaller than the network takes
        (1000, (32, 128)),
    ],
)
def test_tiles_are_as_large_as_asked(
    tiny: Path, seen: list[tuple[int, int]], tile: str | int, expected: tuple[int, int]
) -> None:
    reports = calls(load(tiny, tile=tile), picture(20, 100))  # rows fit, and are padded
    assert set(seen) == {expected}
    assert reports == [(i + 1, len(seen)) for i in range(len(seen))]
    assert (len(seen) == 1) == (expected[1] >= 100)


def test_tile_auto_follows_the_card(tmp_path: Path, seen: list[tuple[int, int]]) -> None:
    policy = TilePolicy(size=64, overlap=8, whole_up_to=80 * 80)
    restore = load(save_model(tmp_path, tile=policy))
    # 96 x 64 as padded fits, 96 x 96 does not; and thin pictures count as they are padded.
    assert calls(restore, picture(80, 64)) == [(1, 1)]
    assert seen == [(96, 64)]
    seen.clear()
    assert calls(restore, picture(80, 80))[-1] == (4, 4)
    assert seen == [(64, 64)] * 4
    seen.clear()
    assert len(calls(restore, picture(1, 6000))) > 1
    assert set(seen) == {(32, 64)}


def test_a_scene_is_seen_reduced_where_the_card_says_so(
    tmp_path: Path, seen: list[tuple[int, int]]
) -> None:
    policy = TilePolicy(size=64, overlap=8, whole_up_to=128 * 128, reduce_to=64)
    model = save_model(tmp_path, tile=policy, identity=True)
    restore, large, small = load(model), picture(300, 450, 3), picture(60, 90)
    np.testing.assert_allclose(restore(large), large, atol=1e-4)
    blank = np.full((300, 450, 3), 0.5, np.float32)
    np.testing.assert_array_equal(restore(blank), blank)
    seen.pop()
    restore(small)
    assert seen == [(64, 96)] * 2
    seen.clear()
    load(model, tile="off")(large)
    load(model, tile=96)(large)
    assert seen[0] == (320, 480)
    assert set(seen[1:]) == {(96, 96)}


def test_tile_auto_has_a_policy_for_cards_without_one(
    tiny: Path, seen: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = TilePolicy(size=32, overlap=8, whole_up_to=64 * 64)
    monkeypatch.setattr(cards, "TILES", policy)
    restore = load(tiny)
    assert calls(restore, picture(40, 40)) == [(1, 1)]
    assert calls(restore, picture(40, 65))[-1][1] > 1


def test_progress_counts_the_tiles_of_all_eight_views(tiny: Path) -> None:
    reports = calls(load(tiny, tile=64, ensemble=True), picture(20, 100))
    tiles = len(calls(load(tiny, tile=64), picture(20, 100)))
    assert tiles > 1
    assert reports == [(i + 1, 8 * tiles) for i in range(8 * tiles)]


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"tile": 0}, "tile is 0; use auto, off, exact, window, or a side in pixels"),
        ({"tile": -64}, "tile is -64"),
        ({"tile": "big"}, "tile is 'big'"),
        ({"tile": ""}, "tile is ''"),
        ({"strength": -0.1}, "strength is -0.1; it must be between 0 and 1"),
        ({"strength": 1.01}, "strength is 1.01"),
        ({"strength": float("nan")}, "strength is nan"),
        ({"device": "gpu"}, "device 'gpu' is unknown"),
        ({"precision": "float64"}, "precision 'float64' is unknown"),
    ],
)
def test_options_that_do_not_exist_are_refused_in_one_line(
    tiny: Path, options: dict[str, Any], what: str
) -> None:
    with pytest.raises(RestoreError, match=rf"\A.*{what}.*\Z"):
        load(tiny, **options)


@pytest.mark.skipif(torch.cuda.is_available(), reason="has a CUDA GPU")
def test_a_missing_gpu_is_named(tiny: Path) -> None:
    with pytest.raises(RestoreError, match=r"\Adevice 'cuda': this machine has no usable CUDA.*\Z"):
        load(tiny, device="cuda")


def test_a_model_for_another_task_is_refused(tiny: Path) -> None:
    with pytest.raises(CheckpointError, match=r"\A.*is a model for denoise, not for deblur\Z"):
        Restorer("deblur", tiny)


def test_a_model_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match=r"\A.*none.safetensors: no such model file\Z"):
        load(tmp_path / "none.safetensors")


def test_bfloat16_runs_and_is_close_to_float32(tiny: Path) -> None:
    image = picture(*ODD, 3)
    exact, rough = load(tiny)(image), load(tiny, precision="bfloat16")(image)
    difference = np.abs(exact - rough)
    assert difference.max() > 0
    assert difference.max() < 0.01
    assert difference.mean() < 0.001
