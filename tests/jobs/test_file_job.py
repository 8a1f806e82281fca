"""`restore.restore_file` and `restore.restore_clip`, as a program calls them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from clips import ClipRecipe, make, packets, scene, stamps
from models import save_model
from pictures import saved, smooth
from PIL import Image

import restore
from restore.errors import ImageError, UsageError

SHORT = ClipRecipe(stamps=tuple(range(0, 6 * 512, 512)), sounds=("eng",))


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("identity"), identity=True)


@pytest.fixture(scope="module")
def restorer(identity: Path) -> restore.Restorer:
    return restore.Restorer("denoise", identity, device="cpu")


def moving(path: Path) -> Path:
    first, *others = (Image.fromarray(scene(number)) for number in range(3))
    first.save(path, save_all=True, append_images=others, duration=[40, 80, 120])
    return path


def test_restores_a_picture(identity: Path, tmp_path: Path) -> None:
    source, target = saved(tmp_path / "in.png", smooth()), tmp_path / "out.png"
    seen: list[tuple[int, int]] = []
    done = restore.restore_file(
        str(source),
        target,
        "denoise",
        model=identity,
        device="cpu",
        progress=lambda done, total: seen.append((done, total)),
    )
    np.testing.assert_array_equal(np.asarray(Image.open(target)), smooth())
    assert isinstance(done, restore.Outcome)
    assert (done.source, done.target, done.status) == (source, target, "done")
    assert (done.model, done.device, done.precision) == ("tiny", "cpu", "float32")
    assert done.size == smooth().shape[:2]
    assert done.seconds > 0
    assert seen[-1][0] == seen[-1][1] > 0


def test_animations_and_clips_stay_what_they_are(
    restorer: restore.Restorer, tmp_path: Path
) -> None:
    animated = moving(tmp_path / "in.png")
    done = restore.restore_file(animated, tmp_path / "out.png", restorer)
    assert done.frames == 3
    with Image.open(tmp_path / "out.png") as made:
        made.seek(2)
        np.testing.assert_array_equal(np.asarray(made.convert("RGB")), scene(2))
        assert made.info["duration"] == 120
    still = restore.restore_file(animated, tmp_path / "still.jpg", restorer)
    assert (still.frames, still.size) == (1, (48, 64))
    clip, out = make(tmp_path / "in.mp4", SHORT), tmp_path / "out.mp4"
    done = restore.restore_file(clip, out, restorer, codec="hevc")
    assert (done.frames, done.encoding["codec"]) == (6, "libx265")
    assert packets(out, "audio") == packets(clip, "audio")
    assert stamps(out) == stamps(clip)


def test_numbered_pictures_become_a_clip(restorer: restore.Restorer, tmp_path: Path) -> None:
    for number in range(3):
        saved(tmp_path / f"{number}.png", scene(number))
    done = restore.restore_clip(tmp_path / "%d.png", tmp_path / "out.mp4", restorer, fps=24)
    assert done.frames == 3
    assert done.notes == ("libx264 does not keep RGB: encoded as yuv420p",)


def test_a_clip_keeps_its_name_in_a_folder(restorer: restore.Restorer, tmp_path: Path) -> None:
    clip = make(tmp_path / "in.mp4", SHORT)
    (tmp_path / "out").mkdir()
    done = restore.restore_clip(clip, tmp_path / "out", restorer)
    assert done.target == tmp_path / "out" / "in.mp4"
    assert done.target.is_file()


def test_losses_are_stated_before_and_after(restorer: restore.Restorer, tmp_path: Path) -> None:
    source = tmp_path / "in.png"
    Image.fromarray(smooth()[..., 0].astype(np.uint16) * 257).save(source)
    said: list[str] = []
    done = restore.restore_file(source, tmp_path / "out.jpg", restorer, notify=said.append)
    note = "16 bits per channel become 8, the most that JPEG holds"
    assert done.notes == (note,)
    assert said == [f"{source}: {note}"]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"crf": 20}, r"^crf is for clips; .*in\.png is a picture"),
        ({"strenght": 0.5}, r"there is no option 'strenght'; did you mean 'strength'"),
        ({"recursive": True}, "there is no option 'recursive'"),
        ({"workers": 2}, "there is no option 'workers'"),
        ({"bit_depth": "12"}, "bit depth is '12'"),
    ],
    ids=str,
)
def test_rejects_options_that_have_no_effect(
    identity: Path, tmp_path: Path, options: dict[str, object], complaint: str
) -> None:
    source = saved(tmp_path / "in.png", smooth())
    with pytest.raises(UsageError, match=complaint):
        restore.restore_file(source, tmp_path / "out.png", "denoise", model=identity, **options)
    assert not (tmp_path / "out.png").exists()


def test_rejects_options_of_pictures_for_clips(restorer: restore.Restorer, tmp_path: Path) -> None:
    clip = make(tmp_path / "in.mp4", SHORT)
    with pytest.raises(UsageError, match=r"bit_depth is for pictures; .*in\.mp4 is a clip"):
        restore.restore_file(clip, tmp_path / "out.mp4", restorer, bit_depth="16")
    with pytest.raises(UsageError, match=r"fps is for numbered pictures; .*has its own times"):
        restore.restore_clip(clip, tmp_path / "out.mp4", restorer, fps=25)
    with pytest.raises(UsageError, match="strength is an option of the Restorer"):
        restore.restore_clip(clip, tmp_path / "out.mp4", restorer, strength=0.5)


def test_errors_name_options_as_python_does(restorer: restore.Restorer, tmp_path: Path) -> None:
    source = saved(tmp_path / "in.png", smooth())
    with pytest.raises(ImageError, match="give overwrite=True to replace it"):
        restore.restore_file(source, source, restorer)
    with pytest.raises(ImageError, match="is a folder; use restore_folder"):
        restore.restore_file(tmp_path, tmp_path / "out", restorer)
    with pytest.raises(UsageError, match="give fps=25, or another number"):
        restore.restore_clip(tmp_path, tmp_path / "out.mp4", restorer)
    assert restore.restore_file(source, source, restorer, overwrite=True).status == "done"
