from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import numpy as np
import pytest
from panning import noise, panned, photograph, rounded

from restore.engine import motion
from restore.engine.temporal import Steadier
from restore.errors import ImageError
from restore.evaluate.flicker import Flicker
from restore.evaluate.metrics import psnr

Clip = list[np.ndarray]


def steadied(before: Iterable[np.ndarray], after: Iterable[np.ndarray]) -> Clip:
    steadier = Steadier()
    return [steadier(*pair) for pair in zip(before, after, strict=True)]


def flicker(truth: Clip, *versions: Clip) -> list[float]:
    measured = Flicker()
    for number, frame in enumerate(truth):
        measured.add(frame, {str(i): v[number] for i, v in enumerate(versions)})
    return list(measured.means().values())


def mean_psnr(clip: Clip, truth: Clip) -> float:
    return float(np.mean([psnr(a, rounded(b)) for a, b in zip(clip, truth, strict=True)]))


def detail(clip: Clip, truth: Clip) -> float:
    """How much of the truth's finest detail there is in a clip, whatever noise is on it: the
    slope of one's Laplacian on the other's."""
    sums = np.zeros(2)
    for frame, wanted in zip(clip, truth, strict=True):
        own, true = (cv2.Laplacian(f, cv2.CV_32F) for f in (frame / np.float32(255), wanted))
        sums += (own * true).sum(), (true * true).sum()
    return float(sums[0] / sums[1])


def denoised(truth: Clip) -> tuple[Clip, Clip]:
    """(noisy, restored): what a denoiser leaves is coarser than the noise, and its own in every
    frame."""
    noisy = [rounded(f + noise(f.shape, 20, seed=i)) for i, f in enumerate(truth)]
    left = [rounded(f + noise(f.shape, 4, seed=50 + i, grain=1)) for i, f in enumerate(truth)]
    return noisy, left


def test_noise_that_is_left_goes_down_and_detail_stays() -> None:
    truth = panned(10)
    before, after = denoised(truth)
    result = steadied(before, after)
    first, second, still = flicker(truth, after, result, [rounded(f) for f in truth])
    assert second - still < 0.4 * (first - still)
    assert mean_psnr(result[4:], truth[4:]) > mean_psnr(after[4:], truth[4:]) + 2
    assert detail(result, truth) > 0.95 * detail(after, truth)


def test_noise_of_the_input_never_comes_back() -> None:
    """As it would, were the residual of a frame blended into another."""
    truth = panned(6, step=(0, 0))
    before, _ = denoised(truth)
    perfect = [rounded(f) for f in truth]
    result = steadied(before, perfect)
    assert mean_psnr(result, truth) > 55


def light(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """How a head may see the light of every frame a little differently: gains about 1."""
    random = np.random.default_rng(seed)
    coarse = random.normal(1, 0.03, (3, 4)).astype(np.float32)
    return cv2.resize(coarse, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)[..., None]


def test_a_light_that_a_head_turns_up_and_down_stands_still() -> None:
    truth = panned(10)
    before = [rounded(0.25 * f) for f in truth]
    after = [rounded(0.9 * f * light(f.shape, i)) for i, f in enumerate(truth)]
    result = steadied(before, after)
    first, second, still = flicker(truth, after, result, [rounded(0.9 * f) for f in truth])
    assert second - still < 0.5 * (first - still)


@pytest.mark.parametrize("course", ["fade", "switch"])
def test_a_light_of_the_scene_is_not_held_back(course: str) -> None:
    gains = np.linspace(1, 0.15, 10) if course == "fade" else np.repeat((0.35, 0.9), 5)
    truth = [np.float32(gain) * frame for gain, frame in zip(gains, panned(10), strict=True)]
    before, after = denoised(truth)
    result = steadied(before, after)
    worst = min(
        psnr(a, rounded(t)) - psnr(b, rounded(t))
        for a, b, t in zip(result, after, truth, strict=True)
    )
    assert worst > -4  # the one frame after the switch, in which light is told from motion
    assert mean_psnr(result, truth) > mean_psnr(after, truth) + 1


def test_what_moves_by_itself_leaves_no_ghost() -> None:
    """A bright disc crosses a still scene: where it has been, the scene is as if it never had."""
    scene = panned(1)[0]
    truth = []
    for i in range(10):
        frame = scene.copy()
        cv2.circle(frame, (20 + 9 * i, 48), 10, (1.0, 0.9, 0.2), -1)
        truth.append(frame)
    before, after = denoised(truth)
    result = steadied(before, after)
    for i in range(1, 10):
        uncovered = np.abs(truth[i] - truth[i - 1]).max(axis=2) > 0.1
        off, was = (
            np.abs(clip[i][uncovered].astype(float) - rounded(truth[i])[uncovered]).mean()
            for clip in (result, after)
        )
        assert off < was + 1


def test_begins_anew_at_cuts_and_other_sizes() -> None:
    first, second = panned(3), panned(3, name="coffee")
    clip = [*first, *second, *panned(2, size=(80, 60)), panned(1, size=(80, 60))[0][..., 0]]
    before, after = denoised(clip)
    result = steadied(before, after)
    changed = [not np.array_equal(*pair) for pair in zip(result, after, strict=True)]
    assert changed == [False, True, True, False, True, True, False, True, False]


def test_a_pan_however_fast_is_no_cut_and_any_two_photographs_are_one() -> None:
    def cut(one: np.ndarray, other: np.ndarray) -> bool:
        by = motion.flow(motion.grey(other), motion.grey(one))
        return motion.is_cut(motion.moved(one, by)[0] - other, other)

    for step in (0.0, 3.0, 12.0, 30.0):
        assert not cut(*panned(2, size=(120, 160), step=(step / 3, step)))
        assert not cut(*(f * g for f, g in zip(panned(2), (1.0, 0.8), strict=True)))
    scenes = [photograph(name)[:120, :160] for name in ("astronaut", "cat", "coffee")]
    assert all(cut(a, b) for a in scenes for b in scenes if a is not b)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("shape", [(40, 50, 3), (40, 50)], ids=["colour", "grey"])
def test_goes_on_exactly_where_another_process_has_been(
    tmp_path: Path, kind: type, shape: tuple[int, ...]
) -> None:
    full = 1 if kind == np.float32 else np.iinfo(kind).max
    scenes = [f if len(shape) == 3 else f[..., 1] for f in panned(6, size=(40, 50))]
    before, after = (
        [
            (rounded(f + noise(f.shape, s, i)) / 255 * full).astype(kind)
            for i, f in enumerate(scenes)
        ]
        for s in (20, 4)
    )
    whole = steadied(before, after)
    assert all((r.shape, r.dtype) == (shape, kind) for r in whole)
    assert not np.array_equal(whole[-1], after[-1])
    one, other = Steadier(), Steadier()
    assert one.state() == {}
    other.resume({})
    for number in range(3):
        one(before[number], after[number])
    np.savez(tmp_path / "state.npz", **one.state())
    with np.load(tmp_path / "state.npz") as state:
        other.resume(dict(state))
    for number in range(3, 6):
        np.testing.assert_array_equal(other(before[number], after[number]), whole[number])
    other.reset()
    np.testing.assert_array_equal(other(before[5], after[5]), after[5])


def test_the_caller_may_write_into_all_arrays() -> None:
    before, after = ([f.astype(np.float32) / 255 for f in frames] for frames in denoised(panned(3)))
    whole = steadied(before, after)
    steadier = Steadier()
    for number in range(3):
        mine = before[number].copy(), after[number].copy()
        result = steadier(*mine)
        np.testing.assert_array_equal(result, whole[number])
        for array in (*mine, result):
            array[:] = 0.5


def test_what_is_no_state_is_refused() -> None:
    steadier = Steadier()
    frame = np.zeros((8, 9, 3), np.uint8)
    steadier(frame, frame)
    good = steadier.state()
    for bad in (
        {"before": frame},
        {**good, "more": frame},
        {**good, "steadied": good["steadied"][1:]},
        {**good, "steadied": good["steadied"][..., 0]},
        {**good, "steadied": frame},
        {**good, "before": frame.astype(int)},
        {**good, "steadied": np.full_like(good["steadied"], np.nan)},
    ):
        with pytest.raises(ImageError, match=r"\A.+\Z"):
            Steadier().resume(bad)
    with pytest.raises(ImageError, match="differ in shape"):
        steadier(frame, frame[1:])


def test_the_same_bytes_whatever_the_number_of_threads() -> None:
    before, after = denoised(panned(4, size=(97, 130)))
    threads = cv2.getNumThreads()
    try:
        results = []
        for count in (1, 3):
            cv2.setNumThreads(count)
            results.append(steadied(before, after))
    finally:
        cv2.setNumThreads(threads)
    np.testing.assert_array_equal(*results)


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 70), (5, 3, 3), (33, 8, 3), (12, 300)], ids=str)
def test_frames_of_any_size_will_do(shape: tuple[int, ...]) -> None:
    random = np.random.default_rng(0)
    scene = random.integers(60, 180, shape, np.uint8)
    frames = [scene + random.integers(0, 9, shape, np.uint8) for _ in range(4)]
    for frame, result in zip(frames, steadied(frames, frames), strict=True):
        assert (result.shape, result.dtype) == (shape, np.uint8)
        assert np.abs(result.astype(int) - frame).max() <= 9


@pytest.mark.parametrize("change", [lambda f: f, lambda f: rounded(f / 255 + 0.1)])
def test_a_still_clip_stays_as_it_is(change: Callable[[np.ndarray], np.ndarray]) -> None:
    frame = rounded(panned(1)[0])
    for result in steadied([frame] * 4, [change(frame)] * 4):
        np.testing.assert_array_equal(result, change(frame))
