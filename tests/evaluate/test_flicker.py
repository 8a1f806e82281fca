from __future__ import annotations

import numpy as np
import pytest
from panning import noise, panned, rounded

from restore.evaluate.flicker import Flicker


def measured(reference: list[np.ndarray], **versions: list[np.ndarray]) -> Flicker:
    result = Flicker()
    for number, frame in enumerate(reference):
        result.add(frame, {name: frames[number] for name, frames in versions.items()})
    return result


def test_what_does_not_change_does_not_flicker() -> None:
    frame = rounded(panned(1)[0])
    still = measured([frame] * 4, itself=[frame] * 4, grey=[frame[..., 1]] * 4)
    assert still.means() == {"itself": 0, "grey": 0}
    assert (still.pairs, still.cuts) == (3, 0)


def test_noise_and_light_are_measured_on_their_scale() -> None:
    """Noise of sigma s differs from frame to frame by 2 s / sqrt(pi); a light by its change."""
    scene = rounded(panned(1)[0]) // 2 + 50
    noisy = [rounded(scene / 255 + noise(scene.shape, 10, seed=i)) for i in range(4)]
    blinking = [scene, scene + 6, scene, scene + 6]
    figures = measured([scene] * 4, noisy=noisy, blinking=blinking).means()
    assert figures["noisy"] == pytest.approx(2 * 10 / np.sqrt(np.pi), rel=0.03)
    assert figures["blinking"] == pytest.approx(6)


def test_motion_is_no_flicker() -> None:
    """As much of it as comes from between the pixels remains, and noise is far above that."""
    truth = panned(5)
    moving = [rounded(frame) for frame in truth]
    noisy = [rounded(frame + noise(frame.shape, 15, seed=i)) for i, frame in enumerate(truth)]
    figures = measured(moving, moving=moving, noisy=noisy).means()
    unmoved = np.mean([np.abs(np.diff(moving, axis=0, prepend=moving[:1]).astype(int))])
    assert figures["moving"] < 2 < unmoved
    assert figures["noisy"] > 10
    # The motion is found in noise as well, for who has nothing else.
    blindly = measured(noisy, moving=moving, noisy=noisy).means()
    assert blindly["moving"] < 1.5 * figures["moving"]
    assert blindly["noisy"] == pytest.approx(figures["noisy"], rel=0.1)


def test_what_is_hidden_in_one_of_two_frames_does_not_count() -> None:
    scene = rounded(panned(1)[0])
    truth = []
    for i in range(5):
        frame = scene.copy()
        frame[30:60, 10 + 14 * i : 34 + 14 * i] = (250, 30, 30)
        truth.append(frame)
    assert measured(truth, truth=truth).means()["truth"] < 1
    assert np.abs(np.diff(np.stack(truth).astype(int), axis=0)).mean() > 5


def test_cuts_and_other_sizes_do_not_count() -> None:
    first, second = ([rounded(f) for f in panned(2, name=n)] for n in ("astronaut", "coffee"))
    other = [rounded(f) for f in panned(2, size=(40, 50))]
    clip = [*first, *second, *other]
    result = measured(clip, clip=clip)
    assert (result.pairs, result.cuts) == (3, 2)
    assert result.means()["clip"] < 2
    alone = measured([first[0]], clip=[first[0]])
    assert (alone.pairs, alone.means()) == (0, {})


def test_a_reference_may_be_of_floats_or_grey() -> None:
    truth = panned(3)
    moving = [rounded(frame) for frame in truth]
    expected = measured(moving, clip=moving).means()["clip"]
    floats = measured([f.astype(np.float32) / 255 for f in moving], clip=moving).means()["clip"]
    assert floats == pytest.approx(expected, rel=1e-3)
    grey = [frame[..., 1] for frame in moving]
    assert measured(grey, clip=grey).means()["clip"] < 2
