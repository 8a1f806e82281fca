from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from models import save_model

from restore import Restorer
from restore.checkpoints.card import TilePolicy
from restore.engine.frames import AHEAD
from restore.engine.temporal import Steadier
from restore.errors import ImageError, UsageError
from restore.networks.fast import FastMaxim


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def restore(tiny: Path) -> Restorer:
    return load(tiny)


def load(model: Path, **options: Any) -> Restorer:
    return Restorer("denoise", model, **{"device": "cpu", "precision": "float32"} | options)


def clip(
    count: int, height: int = 33, width: int = 50, seed: int = 0, dtype: type = np.uint8
) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    if dtype == np.float32:
        return [random.random((height, width, 3), dtype=np.float32) for _ in range(count)]
    top = np.iinfo(dtype).max
    return [random.integers(0, top, (height, width, 3), dtype) for _ in range(count)]


class CountedFrames:
    """Counts the frames that have been asked for; ``fails_at`` raises instead of one."""

    def __init__(self, frames: list[np.ndarray], fails_at: int | None = None):
        self.frames, self.fails_at, self.taken = frames, fails_at, 0

    def __iter__(self) -> Iterator[np.ndarray]:
        for number, frame in enumerate(self.frames):
            self.taken += 1
            if number == self.fails_at:
                raise OSError("the tape has torn")
            yield frame


def test_gives_the_bytes_of_single_calls(restore: Restorer) -> None:
    """Whatever comes: sizes and types may change."""
    frames = [
        *clip(2),
        *clip(2, 40, 20, dtype=np.uint16),
        *clip(2, 40, 20, dtype=np.float32),
        clip(1)[0][..., 0],
    ]
    results = list(restore.frames(iter(frames)))
    assert len(results) == len(frames)
    for frame, result in zip(frames, results, strict=True):
        assert result.dtype == frame.dtype
        np.testing.assert_array_equal(result, restore(frame))


@pytest.mark.parametrize(
    "options", [{}, {"tile": 32, "strength": 0.5}, {"ensemble": True}, {"strength": 0}], ids=str
)
def test_several_at_once_are_what_they_are_alone(tiny: Path, options: Any) -> None:
    """To the last digits of float32: a batch runs through other kernels."""
    restore = load(tiny, **options)
    frames = [*clip(4, dtype=np.float32), *clip(2, 40, 20, dtype=np.float32)]
    for frame, result in zip(frames, restore.frames(frames, batch=3), strict=True):
        np.testing.assert_allclose(result, restore(frame), atol=2e-6)


def test_several_scenes_are_seen_reduced_each(tmp_path: Path) -> None:
    policy = TilePolicy(size=64, overlap=8, whole_up_to=128 * 128, reduce_to=32)
    restore = load(save_model(tmp_path, tile=policy))
    frames = clip(3, 60, 90, dtype=np.float32)
    for frame, result in zip(frames, restore.frames(frames, batch=3), strict=True):
        np.testing.assert_allclose(result, restore(frame), atol=5e-6)


def test_batches_hold_neighbours_of_one_size(
    restore: Restorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts: list[int] = []
    forward = FastMaxim.forward

    def spy(self: FastMaxim, x: torch.Tensor, *walk: Any) -> torch.Tensor:
        counts.append(len(x))
        return forward(self, x, *walk)

    monkeypatch.setattr(FastMaxim, "forward", spy)
    frames = [*clip(5), *clip(2, 20, 20), *clip(1)]
    assert len(list(restore.frames(frames, batch=3))) == 8
    assert counts == [3, 2, 2, 1]
    counts.clear()
    list(restore.frames(frames))
    assert counts == [1] * 8


@pytest.mark.parametrize("ahead", [0, 2, AHEAD])
@pytest.mark.parametrize("batch", [1, 3])
def test_never_reads_further_ahead_than_it_says(restore: Restorer, ahead: int, batch: int) -> None:
    source = CountedFrames(clip(14, 16, 16))
    results = restore.frames(source, ahead=ahead, batch=batch)
    assert source.taken == 0
    for number, _ in enumerate(results):
        assert source.taken <= (number // batch + 1) * batch + ahead
    assert source.taken == 14


def test_reads_while_the_caller_is_busy(restore: Restorer) -> None:
    third = threading.Event()

    def source() -> Iterator[np.ndarray]:
        for number, frame in enumerate(clip(5, 16, 16)):
            if number == 3:
                third.set()
            yield frame

    results = restore.frames(source())
    next(results)
    assert third.wait(10)
    results.close()  # type: ignore[attr-defined]


def stop_by_break(restore: Restorer, source: CountedFrames) -> None:
    for _ in restore.frames(source):
        break


def stop_by_closing(restore: Restorer, source: CountedFrames) -> None:
    results = restore.frames(source)
    next(results)
    results.close()  # type: ignore[attr-defined]


def stop_by_forgetting(restore: Restorer, source: CountedFrames) -> None:
    next(restore.frames(source))


def stop_by_an_error(restore: Restorer, source: CountedFrames) -> None:
    def use(frames: Any) -> None:
        for _ in frames:
            raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        use(restore.frames(source))


@pytest.mark.parametrize(
    "stop", [stop_by_break, stop_by_closing, stop_by_forgetting, stop_by_an_error]
)
def test_who_stops_early_leaves_neither_thread_nor_frame(restore: Restorer, stop: Any) -> None:
    threads = threading.active_count()
    source = CountedFrames(clip(50, 16, 16))
    frames = [weakref.ref(frame) for frame in source.frames]
    stop(restore, source)
    gc.collect()
    assert threading.active_count() == threads
    assert source.taken <= 2 + AHEAD
    source.frames.clear()
    assert not any(frame() is not None for frame in frames)


@pytest.mark.parametrize("batch", [1, 4])
def test_errors_come_in_their_places(restore: Restorer, batch: int) -> None:
    frames = clip(6, 16, 16)
    source = CountedFrames(frames, fails_at=5)
    torn = restore.frames(source, batch=batch)
    assert [next(torn).shape for _ in range(5)] == [(16, 16, 3)] * 5
    with pytest.raises(OSError, match="the tape has torn"):
        next(torn)
    assert next(torn, None) is None
    bad = np.full((16, 16, 3), np.nan, np.float32)
    for wrong, what in (
        (bad, "frame 2: the picture holds NaN or infinity"),
        (frames[0].astype(int), "frame 2: expected uint8, uint16 or float32 pixels, got int64"),
        (torch.zeros(16, 16, 2), "frame 2: expected a tensor 3 x H x W, .* got shape"),
        (torch.zeros(2, 3, 16, 16), "frame 2: expected one image, got a batch of 2"),
        (None, "frame 2: expected a numpy array, a torch tensor or a PIL image, got NoneType"),
    ):
        results = restore.frames([*frames[:2], wrong, *frames], batch=batch)  # type: ignore[list-item]
        np.testing.assert_array_equal(next(results), restore(frames[0]))
        np.testing.assert_array_equal(next(results), restore(frames[1]))
        with pytest.raises(ImageError, match=rf"\A{what}.*\Z"):
            next(results)


@pytest.mark.parametrize(
    "dtype", [torch.uint8, torch.uint16, torch.float16, torch.bfloat16, torch.float32]
)
@pytest.mark.parametrize("shape", [(3, 20, 24), (1, 20, 24), (20, 24)], ids=str)
def test_tensors_come_back_as_they_went_in(
    restore: Restorer, dtype: torch.dtype, shape: tuple[int, ...]
) -> None:
    values = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    floats = dtype.is_floating_point
    tensor = values.to(dtype) if floats else (values * torch.iinfo(dtype).max).int().to(dtype)
    (result,) = restore.frames([tensor])
    assert isinstance(result, torch.Tensor)
    assert (result.shape, result.dtype, result.device) == (shape, dtype, tensor.device)
    assert result.is_contiguous()
    planes = (tensor.float() if floats else tensor).numpy()
    array = planes.transpose(1, 2, 0) if shape[0] == 3 else planes.reshape(20, 24)
    expected = torch.from_numpy(restore(array).copy()).to(dtype)
    expected = expected.permute(2, 0, 1) if expected.ndim == 3 else expected.reshape(shape)
    assert torch.equal(
        result.int() if not floats else result, expected.int() if not floats else expected
    )


def test_a_source_may_fill_one_array_again_and_again(restore: Restorer) -> None:
    frames = clip(6, 16, 16)

    def camera(buffer: Any, convert: Any) -> Iterator[Any]:
        for frame in frames:
            buffer[...] = convert(frame)
            yield buffer

    expected = [restore(frame) for frame in frames]
    array = camera(np.empty((16, 16, 3), np.uint8), lambda frame: frame)
    np.testing.assert_array_equal(list(restore.frames(array)), expected)
    tensor = camera(
        torch.empty(3, 16, 16, dtype=torch.uint8),
        lambda frame: torch.from_numpy(frame).permute(2, 0, 1),
    )
    for result, wanted in zip(restore.frames(tensor), expected, strict=True):
        np.testing.assert_array_equal(result.permute(1, 2, 0).numpy(), wanted)


@pytest.mark.parametrize("batch", [1, 3])
def test_a_steadier_is_no_frame_ahead(restore: Restorer, batch: int) -> None:
    scene = clip(1)[0] // 2 + 64
    frames = [scene + noise // 16 for noise in clip(5, seed=1)]
    alone, steadier = Steadier(), Steadier()
    results = restore.frames(frames, steady=steadier, batch=batch)
    off_by = 0 if batch == 1 else 1 / 255  # among others, a value can be rounded the other way
    for frame, result in zip(frames, results, strict=True):
        wanted = alone(frame, restore(frame))
        np.testing.assert_allclose(result.astype(float), wanted, atol=255 * off_by)
        np.testing.assert_array_equal(steadier.state()["before"], frame)
        steadied = alone.state()["steadied"]
        np.testing.assert_allclose(steadier.state()["steadied"], steadied, atol=off_by)
    new = list(restore.frames(frames, steady=True, batch=batch))
    np.testing.assert_array_equal(new[-1], result)
    going_on = next(restore.frames(frames, steady=steadier))
    assert not np.array_equal(going_on, new[0])


@pytest.mark.parametrize(
    "option", [{"ahead": -1}, {"ahead": 2.5}, {"batch": 0}, {"batch": "a"}], ids=str
)
def test_options_that_make_no_sense_are_refused_at_once(restore: Restorer, option: Any) -> None:
    with pytest.raises(UsageError, match=r"\A(ahead|batch) is .*; it is a number of frames.*\Z"):
        restore.frames([], **option)
    with pytest.raises(UsageError, match=r"\Asteady is 5; it is True, False or a Steadier\Z"):
        restore.frames([], steady=5)  # type: ignore[arg-type]
    assert list(restore.frames([])) == []


@pytest.mark.skipif(not torch.cuda.is_available(), reason="has no CUDA GPU")
def test_tensors_of_a_gpu_stay_there(tiny: Path) -> None:
    restore = Restorer("denoise", tiny, device="cuda", precision="float32")
    frames = [torch.rand(3, 40, 40, device="cuda") for _ in range(5)]
    for frame, result in zip(frames, restore.frames(frames), strict=True):
        assert result.device == frame.device
        single = torch.from_numpy(restore(frame.permute(1, 2, 0).cpu().numpy()))
        # A batch may run through other kernels than a single frame.
        torch.testing.assert_close(result.cpu().permute(1, 2, 0), single, atol=1e-5, rtol=0)
