"""Images of every kind go in, and the same kind comes back."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from models import save_model

from restore import Restorer
from restore.engine.arrays import convert
from restore.errors import ImageError, UsageError

ODD = (33, 50)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Restorer:
    return Restorer("denoise", save_model(tmp_path_factory.mktemp("tiny")), device="cpu")


def noise(*shape: int, dtype: Any = np.uint8) -> np.ndarray:
    random = np.random.default_rng(sum(shape))
    if np.dtype(dtype).kind == "f":
        return random.random(shape).astype(dtype)
    return random.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


SHAPES = st.sampled_from([(), (1,), (3,), (4,)])
DTYPES = st.sampled_from(
    [np.uint8, np.uint16, np.float16, np.float32, np.float64, np.dtype(">u2"), np.dtype(">f4")]
)


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), SHAPES, DTYPES, st.booleans())
@example(3, 3, (3,), np.float64, True)
def test_arrays_come_back_as_they_were(
    height: int, width: int, channels: tuple[int, ...], dtype: Any, copy: bool
) -> None:
    image = noise(height, width, *channels, dtype=np.dtype(dtype).newbyteorder("=")).astype(dtype)
    given_ = convert(image, copy=copy)
    (array,) = given_.arrays
    assert array.dtype in (np.uint8, np.uint16, np.float32)
    assert array.shape == ((height, width, 3) if channels in ((3,), (4,)) else (height, width))
    result = given_.back([array.copy()])
    assert result.dtype == image.dtype
    # float64 is computed in float32.
    np.testing.assert_allclose(result, image, rtol=1e-7 if dtype == np.float64 else 0)
    assert not copy or not np.shares_memory(array, image)


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_floats_of_other_widths_are_restored_as_float32(tiny: Restorer, dtype: Any) -> None:
    image = noise(*ODD, 3, dtype=np.float16).astype(dtype)
    result = tiny(image)
    assert result.dtype == dtype
    np.testing.assert_array_equal(result, tiny(image.astype(np.float32)).astype(dtype))


def test_one_channel_is_grey(tiny: Restorer) -> None:
    image = noise(*ODD, 1)
    np.testing.assert_array_equal(tiny(image), tiny(image[..., 0])[..., None])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("strength", [0.0, 1.0])
def test_alpha_is_kept(tiny: Restorer, dtype: Any, strength: float) -> None:
    image = noise(*ODD, 4, dtype=dtype)
    result = tiny(image, strength=strength)
    np.testing.assert_array_equal(result[..., 3], image[..., 3])
    np.testing.assert_array_equal(result[..., :3], tiny(image[..., :3], strength=strength))
    assert np.array_equal(result, image) == (strength == 0)


TENSORS = {
    "3 x H x W": ((3, *ODD), (1, 2, 0)),
    "H x W x 3": ((*ODD, 3), (0, 1, 2)),
    "H x W": (ODD, (0, 1)),
    "1 x H x W": ((1, *ODD), (1, 2, 0)),
    "4 x H x W": ((4, *ODD), (1, 2, 0)),
    "H x W x 1": ((*ODD, 1), (0, 1, 2)),
    "3 x 3 x 3": ((3, 3, 3), (1, 2, 0)),
}


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float16, torch.float64], ids=str)
@pytest.mark.parametrize(("shape", "order"), TENSORS.values(), ids=TENSORS)
def test_tensors_give_what_arrays_give(
    tiny: Restorer, shape: tuple[int, ...], order: tuple[int, ...], dtype: torch.dtype
) -> None:
    array = noise(*shape, dtype=np.uint8 if dtype == torch.uint8 else np.float16)
    tensor = torch.from_numpy(array).to(dtype).requires_grad_(dtype.is_floating_point)
    result = tiny(tensor)
    assert (result.shape, result.dtype) == (tensor.shape, dtype)
    assert not result.requires_grad
    expected = tiny(tensor.detach().numpy().transpose(order))
    np.testing.assert_array_equal(result.numpy().transpose(order), expected)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_batch_of_tensors_is_restored_one_by_one(tiny: Restorer, channels: int) -> None:
    batch = torch.from_numpy(noise(3, channels, *ODD))
    told: list[tuple[int, int]] = []
    result = tiny(batch, lambda *now: told.append(now))
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert result.shape == batch.shape
    for one, image in zip(result, batch, strict=True):
        assert torch.equal(one, tiny(image))


def pil(mode: str) -> PIL.Image.Image:
    colours = PIL.Image.fromarray(noise(*ODD, 3))
    if mode == "I;16":
        return PIL.Image.fromarray(noise(*ODD, dtype=np.uint16))
    if mode == "F":
        return PIL.Image.fromarray(noise(*ODD, dtype=np.float32))
    if mode in ("RGBA", "LA"):
        colours.putalpha(PIL.Image.fromarray(noise(*ODD)))
    image = colours.convert(mode)
    image.info["icc_profile"] = b"profile"
    return image


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "I;16", "F"])
def test_pil_images_come_back_in_their_mode(tiny: Restorer, mode: str) -> None:
    image = pil(mode)
    before = image.tobytes()
    result = tiny(image)
    assert isinstance(result, PIL.Image.Image)
    assert (result.mode, result.size, result.info) == (mode, image.size, image.info)
    assert image.tobytes() == before
    assert result.tobytes() != before
    array = np.asarray(image)
    if mode == "LA":
        assert result.getchannel("A").tobytes() == image.getchannel("A").tobytes()
        array, result = array[..., 0], result.getchannel("L")
    np.testing.assert_array_equal(np.asarray(result), tiny(array))


def test_palettes_and_bilevel_images_become_colours_and_grey(tiny: Restorer) -> None:
    image = pil("RGB").quantize(16)
    np.testing.assert_array_equal(tiny(image), tiny(np.asarray(image.convert("RGB"))))
    image.info["transparency"] = 0
    clear = tiny(image)
    assert clear.mode == "RGBA"
    assert clear.getchannel("A").tobytes() == image.convert("RGBA").getchannel("A").tobytes()
    assert tiny(pil("1")).mode == "L"


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr", "HSV"])
def test_other_modes_are_refused_with_advice(tiny: Restorer, mode: str) -> None:
    message = rf"\APIL images of mode {mode} are not supported; use image.convert\('RGB'\)\Z"
    with pytest.raises(ImageError, match=message):
        tiny(pil(mode))


def test_a_damaged_file_that_pil_has_opened_is_an_error_of_ours(tiny: Restorer) -> None:
    file = io.BytesIO()
    pil("RGB").save(file, "PNG")
    image = PIL.Image.open(io.BytesIO(file.getvalue()[:-3000]))
    with pytest.raises(ImageError, match=r"\Athe PIL image cannot be decoded: .+\Z"):
        tiny(image)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_of_0_to_255_are_refused_and_told_what_to_do(tiny: Restorer, dtype: Any) -> None:
    image = noise(*ODD, 3).astype(dtype)
    image[0, 0] = 0, 7, 255
    message = r"\Afloats range from 0 to 255, far outside \[0, 1\]; use image / 255 for .*\Z"
    with pytest.raises(ImageError, match=message):
        tiny(image)
    for other in (torch.from_numpy(image), -image / 8):
        with pytest.raises(ImageError, match="far outside"):
            tiny(other)
    with pytest.raises(ImageError, match="frame 0: floats range"):
        next(tiny.frames([image]))
    # Noise is no such thing.
    assert tiny(image / dtype(255) * 3 - dtype(1)).dtype == dtype


BAD: dict[str, tuple[Any, str]] = {
    "list": ([[0, 1]], "a numpy array, a torch tensor or a PIL image, got list"),
    "file": (Path("a.png"), "got .*Path; files are for restore.restore_file"),
    "planes": (noise(3, 20, 30), r"got shape \(3, 20, 30\); use image.transpose\(1, 2, 0\)"),
    "channels": (noise(20, 30, 2), r"got shape \(20, 30, 2\)"),
    "line": (noise(20), r"got shape \(20,\)"),
    "integers": (noise(20, 30).astype(int), "got int64"),
    "bool": (np.zeros((4, 4), bool), "got bool"),
    "complex": (np.zeros((4, 4), complex), "got complex128"),
    "empty": (np.zeros((0, 4), np.uint8), "empty"),
    "nan": (np.full((4, 4), np.nan), "NaN or infinity"),
    "infinity": (np.full((4, 4), -np.inf), "NaN or infinity"),
    "tensor": (torch.zeros(2, 20, 30, 3), r"got shape \(2, 20, 30, 3\)"),
    "no tensors": (torch.zeros(0, 3, 20, 30), r"got shape \(0, 3, 20, 30\)"),
    "integer tensor": (torch.zeros(3, 20, 30, dtype=torch.int32), "got int32"),
    "nan tensor": (torch.full((3, 4, 4), torch.nan), "NaN or infinity"),
}


@pytest.mark.parametrize(("image", "what"), BAD.values(), ids=BAD)
def test_anything_else_is_refused_in_one_line(tiny: Restorer, image: Any, what: str) -> None:
    with pytest.raises(ImageError, match=rf"\A.*{what}.*\Z"):
        tiny(image)


def test_frames_of_every_kind_come_back(tiny: Restorer) -> None:
    array, image = noise(*ODD, 4), pil("RGBA")
    frames = [array, image, torch.from_numpy(array), array.astype(np.float64) / 255]
    for frame, result in zip(frames, tiny.frames(frames), strict=True):  # type: ignore[type-var]
        assert type(result) is type(tiny(frame))
        np.testing.assert_array_equal(np.asarray(result), np.asarray(tiny(frame)))


def test_strength_of_a_call_overrides_the_restorers(tmp_path: Path) -> None:
    model, image = save_model(tmp_path), noise(*ODD, 3)
    half, full = (Restorer("denoise", model, device="cpu", strength=s) for s in (0.5, 1.0))
    np.testing.assert_array_equal(full(image, strength=0.5), half(image))
    np.testing.assert_array_equal(half(image, strength=1), full(image))
    np.testing.assert_array_equal(half(image, strength=0), image)
    assert half.strength == 0.5
    for bad in (-0.1, 1.5, "1", float("nan")):
        with pytest.raises(UsageError, match=r"\Astrength is .*; it must be between 0 and 1\Z"):
            full(image, strength=bad)  # type: ignore[arg-type]


def test_progress_may_be_none_and_nothing_else_than_a_function(tiny: Restorer) -> None:
    image = noise(*ODD)
    np.testing.assert_array_equal(tiny(image, None), tiny(image, progress=None))
    with pytest.raises(UsageError, match=r"\Aprogress is 5; it is a function of \(done, total\)"):
        tiny(image, 5)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "options",
    [
        {"tile": np.int64(64)},
        {"tile": 64, "overlap": np.int32(8)},
        {"strength": np.float32(0.5)},
        {"workers": np.int64(2)},
        {"device": torch.device("cpu")},
        {"max_memory": 1.5e9},
    ],
    ids=str,
)
def test_options_may_be_numbers_of_numpy(tmp_path: Path, options: Any) -> None:
    Restorer("denoise", save_model(tmp_path), **{"device": "cpu"} | options)(noise(*ODD))
