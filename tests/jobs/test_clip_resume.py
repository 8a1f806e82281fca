"""Clips whose restoration is interrupted, and clips that cannot be restored."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from clips import ClipRecipe, frame, frames, make, scene
from PIL import Image, ImageCms

from restore.errors import ImageError, RestoreError, UsageError
from restore.files import claimed
from restore.jobs.clip_work_folder import ResumePolicy, work_folder
from restore.jobs.resumable_clip import ClipInterrupted, RestoredClip, settle, write_clip
from restore.media.video import segments
from restore.media.video.encoders import EncodeOptions

HARNESS = Path(__file__).parents[1] / "support" / "clip_harness.py"
LONG = ClipRecipe(stamps=tuple(range(0, 60 * 512, 512)), sounds=("eng",), sound_codec="aac")


@pytest.fixture(autouse=True)
def short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "FRAMES", 8)


def stopping(after: int, error: BaseException) -> Callable[..., Iterator[np.ndarray]]:
    def restore(images: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        for number, image in enumerate(images):
            if number == after:
                raise error
            yield np.clip(image, 0, 1)

    return restore


def run(source: Path, target: Path, restore: Any = None, **rest: Any) -> RestoredClip:
    file, encoding = settle(source, target, rest.pop("wishes", EncodeOptions()))
    key = rest.pop("key", {"model": "none"})
    restore = restore or stopping(-1, AssertionError())
    return write_clip(file, target, encoding, restore, key, **rest)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
def test_a_job_that_goes_on_makes_the_same_bytes(tmp_path: Path, suffix: str) -> None:
    source = make(tmp_path / "in.mp4", LONG)
    whole, parts = tmp_path / f"whole{suffix}", tmp_path / f"parts{suffix}"
    assert run(source, whole).resumed == 0
    with pytest.raises(ClipInterrupted) as stopped:
        run(source, parts, stopping(29, KeyboardInterrupt()))
    assert stopped.value.kept == 24
    assert not parts.exists()
    with pytest.raises(ImageError, match=r"3 finished segments in .parts.*; resume=True continues"):
        run(source, parts)
    with pytest.raises(RestoreError, match="no memory"):
        run(
            source, parts, stopping(10, RestoreError("no memory")), policy=ResumePolicy(resume=True)
        )
    made = run(source, parts, policy=ResumePolicy(resume=True))
    assert (made.frames, made.resumed) == (60, 32)
    assert parts.read_bytes() == whole.read_bytes()
    assert not work_folder(parts).exists()


def test_only_the_same_job_goes_on(tmp_path: Path) -> None:
    source, target = make(tmp_path / "in.mkv", LONG), tmp_path / "out.mkv"
    go_on = {"policy": ResumePolicy(resume=True)}
    with pytest.raises(RestoreError):
        run(source, target, stopping(20, RestoreError("")))
    with pytest.raises(ImageError, match="cannot be resumed: another model than"):
        run(source, target, key={"model": "another"}, **go_on)
    with pytest.raises(ImageError, match="another encoding than"):
        run(source, target, wishes=EncodeOptions(crf=30), **go_on)
    damaged = work_folder(target) / "000001.segment"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    assert run(source, target, **go_on).resumed == 8  # what is behind it is made again
    assert len(frames(target)) == 60
    target.unlink()
    with pytest.raises(RestoreError):
        run(source, target, stopping(20, RestoreError("")))
    make(source, ClipRecipe(stamps=tuple(range(0, 50 * 512, 512))))
    with pytest.raises(ImageError, match="another input than"):
        run(source, target, **go_on)
    assert run(source, target, policy=ResumePolicy(overwrite=True)).resumed == 0


@pytest.mark.slow
def test_kills_at_any_moment_lose_nothing(tmp_path: Path) -> None:
    """Also what is remembered from frame to frame is as it was."""
    source = make(tmp_path / "in.mp4", LONG)
    whole, parts = tmp_path / "whole.mp4", tmp_path / "parts.mp4"
    subprocess.run([sys.executable, HARNESS, source, whole], check=True)
    for kept in (1, 3, 6):
        process = subprocess.Popen([sys.executable, HARNESS, source, parts, "resume"])
        give_up = time.monotonic() + 60
        while not (work_folder(parts) / f"{kept:06}.segment").exists():
            assert time.monotonic() < give_up
            assert process.poll() is None
            time.sleep(0.002)
        process.kill()
        process.wait()
        assert not parts.exists()
    done = subprocess.run(
        [sys.executable, HARNESS, source, parts, "resume"],
        check=True,
        capture_output=True,
        text=True,
    )
    total, resumed = map(int, done.stdout.split())
    assert total == 60
    assert resumed >= 48
    assert parts.read_bytes() == whole.read_bytes()
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == ["in.mp4", "parts.mp4", "whole.mp4"]


def test_a_full_disk_leaves_what_is_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = make(tmp_path / "in.mp4", LONG), tmp_path / "out.mp4"
    fsync, count = os.fsync, 0

    def full(file: int) -> None:
        nonlocal count
        count += 1
        if count == 5:  # the first is of the trial
            raise OSError(28, "No space left on device")
        fsync(file)

    monkeypatch.setattr(os, "fsync", full)
    complaint = r"out.mp4: cannot be written: No space left on device; make room \(16 frames are"
    with pytest.raises(ImageError, match=complaint):
        run(source, target)
    monkeypatch.undo()
    monkeypatch.setattr(segments, "FRAMES", 8)
    assert run(source, target, policy=ResumePolicy(resume=True)).resumed == 16


@pytest.mark.parametrize(("room", "kept"), [(8, ""), (100, " (60 frames are kept")])
def test_a_file_that_does_not_fit_is_one_line(tmp_path: Path, room: int, kept: str) -> None:
    """Within a segment, and when all segments are put together: the output is named."""
    resource = pytest.importorskip("resource")
    recipe = replace(LONG, codec="ffv1")
    source, target = make(tmp_path / "in.mkv", recipe), tmp_path / "out.mkv"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room << 10, before[1]))
    try:
        with pytest.raises(ImageError) as refused:
            run(source, target)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert str(refused.value).startswith(f"{target}: cannot be ")
    assert f"File too large; make room{kept}" in str(refused.value)
    assert work_folder(target).exists() == bool(kept)
    assert not list(tmp_path.glob("**/*.part"))


def test_two_runs_do_not_make_one_file(tmp_path: Path) -> None:
    source, target = make(tmp_path / "in.mp4"), tmp_path / "out.mp4"

    def twice(images: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        with pytest.raises(ImageError, match="another run is going on"):
            run(source, target)
        return stopping(-1, AssertionError())(images)

    assert run(source, target, twice).frames == 20


# Bad input


def refusal(source: Path, target: Path, wishes: EncodeOptions | None = None) -> str:
    """The one line by which a clip is refused; nothing is left behind but what it speaks of."""
    with pytest.raises(ImageError) as refused:
        run(source, target, wishes=wishes or EncodeOptions())
    assert "\n" not in str(refused.value)
    assert not target.exists()
    assert work_folder(target).exists() == ("resume=True continues" in str(refused.value))
    return str(refused.value)


def test_rejects_files_that_are_no_clips(tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    sound = tmp_path / "sound.mp4"
    with av.open(str(sound), "w") as output:
        stream = output.add_stream("aac", rate=48000)
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 2048), np.int16), "s16", "stereo")
        silence.sample_rate = 48000
        output.mux([*stream.encode(silence), *stream.encode(None)])
    text = tmp_path / "text.mp4"
    text.write_text("no clip at all\n" * 99)
    (tmp_path / "empty.mp4").touch()
    for name, complaint in (
        ("none.mp4", "none.mp4: no such file"),
        ("", "is a folder"),
        ("empty.mp4", "empty.mp4: is empty"),
        ("text.mp4", "text.mp4: not a clip that can be read: Invalid data"),
        ("sound.mp4", "sound.mp4: has no video stream"),
    ):
        assert complaint in refusal(tmp_path / name, target)
    source = make(tmp_path / "in.mp4")
    assert "out.txt: unknown kind of clip '.txt'" in refusal(source, tmp_path / "out.txt")
    assert "folder" in refusal(source, tmp_path / "none" / "out.mp4")
    with pytest.raises(ImageError, match="is the input; name another output"):
        run(source, source)
    target.touch()
    with pytest.raises(ImageError, match="exists already; give overwrite=True"):
        run(source, target)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm", ".avi"])
def test_a_file_that_is_cut_short_is_known_before_any_work(tmp_path: Path, suffix: str) -> None:
    codec = {".webm": "libvpx", ".avi": "mpeg4"}.get(suffix, "libx264")
    faststart = {"movflags": "faststart"} if suffix in (".mp4", ".mov") else {}
    stamps, tick = tuple(range(40)), Fraction(1, 25)
    source = make(
        tmp_path / f"in{suffix}", ClipRecipe(codec, stamps=stamps, tick=tick, container=faststart)
    )
    whole = source.read_bytes()
    for part in (0.99, 0.6, 0.1):
        source.write_bytes(whole[: int(len(whole) * part)])
        complaint = refusal(source, tmp_path / "out.mkv")
        assert "is cut short: of " in complaint
        assert f"{source.stat().st_size:,} are present" in complaint
    source.write_bytes(whole[:30])
    assert "\n" not in refusal(source, tmp_path / "out.mkv")


def test_damage_in_the_middle_names_the_frame(tmp_path: Path) -> None:
    source = make(tmp_path / "in.mkv")
    content = bytearray(source.read_bytes())
    with av.open(str(source)) as clip:
        packet = [bytes(p) for p in clip.demux(video=0) if p.size][12]
    place = content.index(packet)
    content[place : place + len(packet)] = bytes(len(packet))
    source.write_bytes(content)
    complaint = refusal(source, tmp_path / "out.mkv")
    assert "in.mkv: damaged after frame " in complaint
    # A disk that did not answer looks the same: the next run may do better.
    assert (
        "8 frames are kept: resume=True continues from there, overwrite=True starts again"
        in complaint
    )


def test_states_missing_frames(tmp_path: Path) -> None:
    """Readers of Matroska go on behind what is damaged, without a word."""
    recipe = ClipRecipe("ffv1", stamps=tuple(range(0, 90 * 512, 512)))
    source = make(tmp_path / "in.mkv", replace(recipe, container={"cluster_time_limit": "500"}))
    assert run(source, tmp_path / "whole.mkv").notes == ()
    content = bytearray(source.read_bytes())
    clusters = [found.start() for found in re.finditer(b"\x1f\x43\xb6\x75", content)]
    assert len(clusters) > 3
    for cluster in clusters[1:3]:
        content[cluster : cluster + 4] = bytes(4)
    source.write_bytes(content)
    (note,) = run(source, tmp_path / "gap.mkv").notes
    assert "in.mkv has no frames for 1." in note
    for cluster in clusters[3:]:
        content[cluster : cluster + 4] = bytes(4)
    source.write_bytes(content)
    made = run(source, tmp_path / "short.mkv")
    (note,) = made.notes
    assert f"is damaged or cut short: {made.frames} frames, 0." in note
    assert "of 3.60 s, could be decoded" in note


def test_an_error_of_the_disk_loses_nothing(tmp_path: Path) -> None:
    source, target = make(tmp_path / "in.mp4", LONG), tmp_path / "out.mp4"
    with pytest.raises(ImageError, match=r"^slow disk \(16 frames are kept: resume=True"):
        run(source, target, stopping(20, ImageError("slow disk")))
    with pytest.raises(ClipInterrupted) as stopped:
        run(source, target, stopping(1, KeyboardInterrupt()), policy=ResumePolicy(overwrite=True))
    assert stopped.value.kept == 0
    assert not work_folder(target).exists()


def test_a_folder_that_has_just_been_given_back_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = make(tmp_path / "in.mp4"), tmp_path / "out.mp4"

    @contextmanager
    def too_late(folder: Path, *rest: Any) -> Iterator[None]:
        with claimed(folder, *rest):
            (folder / "lock").unlink()  # by the run before, between the opening and the locking
            yield

    monkeypatch.setattr("restore.jobs.clip_work_folder.claimed", too_late)
    with pytest.raises(ImageError, match="another run has just ended in this folder"):
        run(source, target)


def test_a_single_picture_is_no_clip(tmp_path: Path) -> None:
    """FFmpeg would read it, but worse than we do, and PyAV dies of its colour profile."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture = Image.fromarray(scene(0))
    for name, kind in (("a.png", "RGB"), ("p.png", "P"), ("a.tif", "CMYK"), ("a.gif", "P")):
        picture.convert(kind).save(tmp_path / name, icc_profile=profile)
        complaint = refusal(tmp_path / name, tmp_path / "out.mkv")
        assert f"{name}: is one picture, not a clip; a clip can be made of numbered" in complaint
    picture.save(tmp_path / "a.webp", save_all=True, append_images=[Image.fromarray(scene(1))])
    assert "convert it to an animated .png" in refusal(tmp_path / "a.webp", tmp_path / "out.mkv")


def test_a_stream_that_changes_size_is_one_line(tmp_path: Path) -> None:
    source = tmp_path / "in.ts"
    content = b""
    for name, width in (("a.ts", 64), ("b.ts", 96)):
        content += make(tmp_path / name, ClipRecipe(width=width)).read_bytes()
    source.write_bytes(content)
    complaint = refusal(source, tmp_path / "out.mp4")
    assert "in.ts: changes at frame 20 (" in complaint
    assert "from 64 x 48 yuv420p to 96 x 48 yuv420p" in complaint


def test_rejects_encoders_that_cannot_hold_the_clip(tmp_path: Path) -> None:
    source, target = make(tmp_path / "in.mp4"), tmp_path / "out.mp4"
    odd = make(tmp_path / "odd.mkv", ClipRecipe("ffv1", height=33, width=35, stamps=(0, 512)))
    assert run(odd, tmp_path / "odd-out.mkv").frames == 2
    assert frames(tmp_path / "odd-out.mkv")[0].width == 35
    complaint = refusal(odd, target, EncodeOptions("h264"))
    assert "libx264 cannot encode 35 x 33 yuv420p; an odd size may need" in complaint
    made = run(odd, target, wishes=EncodeOptions("h264", None, "yuv444p"))
    assert made.frames == 2
    target.unlink()
    one = make(tmp_path / "one.mkv", ClipRecipe("ffv1", height=1, width=1, stamps=(0, 512)))
    assert run(one, tmp_path / "one-out.mkv").frames == 2
    assert "cannot encode 1 x 1" in refusal(one, target, EncodeOptions("h264"))
    deep = make(tmp_path / "deep.mkv", ClipRecipe("ffv1", "yuv420p10le", stamps=(0, 512)))
    complaint = refusal(deep, tmp_path / "out.webm", EncodeOptions("vp9"))
    assert "libvpx-vp9 cannot hold yuv420p10le without loss" in complaint
    complaint = refusal(source, tmp_path / "out.avi", EncodeOptions("hevc"))
    assert ".avi cannot hold hevc; use .mkv, or choose another codec" in complaint
    complaint = refusal(source, tmp_path / "out.mkv", EncodeOptions("png"))
    assert ".mkv cannot hold png; use .mov, or choose another codec" in complaint
    complaint = refusal(source, tmp_path / "out.ts")
    assert ".ts can be read, but not written; name an output with one of .mp4" in complaint
    for wishes, complaint in (
        (EncodeOptions("none"), "codec is 'none'"),
        (EncodeOptions("ffv1", 3), "ffv1 has no such scale"),
        (EncodeOptions(crf=99), "crf is 99; libx264 supports 0 to 51"),
        (EncodeOptions(pixel_format="yuv9"), "pix_fmt is 'yuv9'; libx264 supports yuv420p"),
    ):
        with pytest.raises(UsageError, match=complaint):
            settle(source, tmp_path / "out.mkv", wishes)


def test_a_codec_without_an_encoder_is_one_line(tmp_path: Path) -> None:
    """Of a decoder that has no encoder, a frame is enough: a YUV4MPEG header would not do."""
    from restore.media.video.encoders import choose
    from restore.media.video.probe import probe

    clip = replace(probe(make(tmp_path / "in.mp4")), codec="vc1")
    with pytest.raises(ImageError, match="no encoder for vc1 here; choose another codec"):
        choose(clip, tmp_path / "out.mkv", EncodeOptions())
    assert frame(0, "gray").width == 64


class Counter:
    """Remembers how many frames were restored."""

    def __init__(self) -> None:
        self.seen = 0

    def state(self) -> dict[str, np.ndarray]:
        return {"seen": np.array(self.seen)}

    def resume(self, state: dict[str, np.ndarray]) -> None:
        self.seen = int(state["seen"])

    def restore(self, images: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        for image in images:
            if self.seen == 30:
                raise KeyboardInterrupt
            self.seen += 1
            yield image


def test_a_segment_whose_state_is_damaged_is_made_again(tmp_path: Path) -> None:
    source, target = make(tmp_path / "in.mp4", LONG), tmp_path / "out.mp4"
    first = Counter()
    with pytest.raises(ClipInterrupted) as interrupted:
        run(source, target, first.restore, memory=first)
    assert interrupted.value.kept == 24
    states = sorted(work_folder(target).glob("*.npz"))
    os.truncate(states[-1], states[-1].stat().st_size // 2)
    states[-2].write_bytes(b"")
    again = Counter()
    with pytest.raises(ClipInterrupted) as interrupted:
        run(source, target, again.restore, memory=again, policy=ResumePolicy(resume=True))
    assert interrupted.value.kept == 24
    assert again.seen == 30
