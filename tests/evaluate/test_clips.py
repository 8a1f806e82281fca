from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from models import save_model
from panning import noise, panned, rounded
from PIL import Image

from restore import Restorer
from restore.errors import ImageError
from restore.evaluate import clips
from restore.evaluate.clips import Pair


def folder(path: Path, frames: list[np.ndarray]) -> Path:
    path.mkdir()
    for number, frame in enumerate(frames):
        Image.fromarray(frame).save(path / f"{number:03}.png")
    return path


def test_a_folder_of_frames_is_a_clip(tmp_path: Path) -> None:
    frames = [rounded(frame) for frame in panned(3, size=(20, 24))]
    where = folder(tmp_path / "clip", frames)
    np.testing.assert_array_equal(list(clips.frames(where)), frames)
    assert all(pair.target is None for pair in clips.pairs(where))
    noisy = list(clips.pairs(where, sigma=25))
    for number, (pair, clean) in enumerate(zip(noisy, frames, strict=True)):
        added = np.random.default_rng(number).standard_normal(clean.shape) * 25
        np.testing.assert_allclose(pair.degraded * 255, clean + added, atol=1e-3)
        np.testing.assert_array_equal(pair.target, clean)


def test_a_file_is_a_clip(tmp_path: Path) -> None:
    frames = [rounded(frame) for frame in panned(3, size=(20, 24))]
    with av.open(str(tmp_path / "clip.mkv"), "w") as container:
        stream: Any = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 24, 20, "bgr0"
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            container.mux(stream.encode(picture.reformat(format="bgr0")))
        container.mux(stream.encode())
    read = np.stack(list(clips.frames(tmp_path / "clip.mkv")))
    np.testing.assert_allclose(read * 255, frames, atol=1e-3)
    (pair, *_) = clips.pairs(tmp_path / "clip.mkv", sigma=0)
    np.testing.assert_array_equal(pair.target, frames[0])
    with pytest.raises(ImageError, match=r"\A.*absent.mkv: no such file\Z"):
        list(clips.frames(tmp_path / "absent.mkv"))


def test_two_clips_must_agree(tmp_path: Path) -> None:
    frames = [rounded(frame) for frame in panned(3, size=(20, 24))]
    whole, short = folder(tmp_path / "whole", frames), folder(tmp_path / "short", frames[:2])
    small = folder(tmp_path / "small", [frames[0], frames[1][1:], frames[2]])
    (tmp_path / "none").mkdir()
    assert [pair.target is not None for pair in clips.pairs(whole, whole)] == [True] * 3
    for one, other, what in (
        (whole, short, "short: ends after frame 2, .*whole goes on"),
        (short, whole, "short: ends after frame 2, .*whole goes on"),
        (
            whole,
            small,
            r"whole: frame 1 is \(20, 24, 3\), that of .*small \(19, 24, 3\); they must",
        ),
        (whole, tmp_path / "none", "none: holds no pictures"),
    ):
        with pytest.raises(ImageError, match=rf"\A.*{what}.*\Z"):
            list(clips.pairs(one, other))


def test_holds_a_few_frames_at_a_time(tmp_path: Path) -> None:
    restorer = Restorer("denoise", save_model(tmp_path, identity=True), device="cpu")
    frame = rounded(panned(1, size=(32, 32))[0])
    read = done = 0

    def cases() -> Iterator[Pair]:
        nonlocal read
        for _ in range(20):
            read += 1
            yield Pair(frame)

    class Counting(Restorer):
        def frames(self, frames, **options):  # type: ignore[no-untyped-def]
            nonlocal done
            for result in super().frames(frames, **options):
                assert read - done <= 6
                done += 1
                yield result

    restorer.__class__ = Counting
    result = clips.evaluate(restorer, cases())
    assert result.frames == done == 20
    assert result.values == {name: {"flicker": 0} for name in ("input", "tiny", "tiny --temporal")}
    with pytest.raises(ImageError, match="the clip has no frames"):
        clips.evaluate(restorer, [])


def test_the_shipped_denoiser_is_steadied_and_loses_nothing() -> None:
    """The claim of the README, on a clip that is smaller than the one measured there."""
    truth = [rounded(frame) for frame in panned(7)]
    cases = [
        Pair(rounded(frame / 255 + noise(frame.shape, 20, seed=i)), frame)
        for i, frame in enumerate(truth)
    ]
    restorer = Restorer("denoise", "denoise-small", device="cpu")
    values = clips.evaluate(restorer, cases).values
    assert list(values) == ["input", "denoise-small", "denoise-small --temporal", "truth"]
    before, after, still = (values[n] for n in list(values)[1:])
    assert values["input"]["flicker"] > 15 > before["flicker"]
    assert after["flicker"] - still["flicker"] < 0.4 * (before["flicker"] - still["flicker"])
    assert after["PSNR"] > before["PSNR"] + 0.5
    assert after["SSIM"] > before["SSIM"]
