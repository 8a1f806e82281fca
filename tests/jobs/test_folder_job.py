"""`restore.restore_folder`: pictures, animations and clips, each as `restore_file` treats it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from clips import ClipRecipe, frames, make, packets, scene
from models import save_model
from pictures import saved
from PIL import Image

import restore
from restore.errors import UsageError
from restore.jobs.clip_work_folder import work_folder
from restore.jobs.frame_count import frames_in
from restore.jobs.manifest import NAME
from restore.media.video import segments

CLIP = ClipRecipe(stamps=tuple(range(0, 12 * 512, 512)), sounds=("eng",))


@pytest.fixture(scope="module")
def restorer(tmp_path_factory: pytest.TempPathFactory) -> restore.Restorer:
    model = save_model(tmp_path_factory.mktemp("identity"), identity=True)
    return restore.Restorer("denoise", model, device="cpu")


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """A folder with a picture, an animation, a clip in a folder within, and two other files."""
    folder = tmp_path / "mixed"
    (folder / "tapes").mkdir(parents=True)
    saved(folder / "a.jfif", scene(0), format="JPEG")
    first, *others = (Image.fromarray(scene(number)) for number in range(3))
    first.save(folder / "b.png", save_all=True, append_images=others, duration=[40, 80, 120])
    make(folder / "tapes" / "c.mp4", CLIP)
    (folder / "notes.txt").write_text("text")
    (folder / "tapes" / "notes.doc").write_text("text")
    return folder


def statuses(done: restore.Outcome) -> dict[str, str]:
    return {file.source.name: file.status for file in done.files}


def test_several_workers_share_the_cores_during_a_run_alone(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    saved(tmp_path / "photos" / "a.png", scene(0))
    before, counts = torch.get_num_threads(), []
    model = save_model(tmp_path, identity=True)
    own = restore.Restorer("denoise", model, device="cpu")
    torch.set_num_threads(6)
    try:
        for number, head in enumerate(("denoise", own, own)):
            options = {} if head is own else {"model": model, "device": "cpu"}
            restore.restore_folder(
                tmp_path / "photos",
                tmp_path / f"out{number}",
                head,
                workers=2,
                on_tiles=lambda source, done, total: counts.append(torch.get_num_threads()),
                **options,
            )
            assert torch.get_num_threads() == 6
    finally:
        torch.set_num_threads(before)
    assert set(counts) == {3}


def test_every_file_is_restored_as_alone(restorer: restore.Restorer, mixed: Path) -> None:
    out, said, counted = mixed.with_name("out"), [], []

    def count(done: int, total: int) -> None:
        counted.append((done, total))

    calls = {"notify": said.append, "progress": count}
    done = restore.restore_folder(mixed, out, restorer, recursive=True, **calls)
    assert counted == [(number, 3) for number in range(4)]
    assert statuses(done) == {"a.jfif": "done", "b.png": "done", "c.mp4": "done"}
    assert [file.frames for file in done.files] == [1, 3, 12]
    assert done.passed_over == (mixed / "notes.txt", mixed / "tapes" / "notes.doc")
    names = f"{mixed / 'notes.txt'} and 1 more"
    assert said == [f"{names}: passed over, not pictures or clips by name"]
    with Image.open(out / "b.png") as made:
        made.seek(2)
        np.testing.assert_array_equal(np.asarray(made.convert("RGB")), scene(2))
    alone = mixed.with_name("alone.mp4")
    restore.restore_file(mixed / "tapes" / "c.mp4", alone, restorer)
    assert (out / "tapes" / "c.mp4").read_bytes() == alone.read_bytes()
    assert packets(alone, "audio") == packets(mixed / "tapes" / "c.mp4", "audio")
    lines = [json.loads(line) for line in (out / NAME).read_text().splitlines()]
    assert {line["output"] for line in lines} == {"a.jfif", "b.png", "tapes/c.mp4"}
    assert not list(out.rglob("*.part"))
    again = restore.restore_folder(mixed, out, restorer, recursive=True)
    assert set(statuses(again).values()) == {"skipped"}


def test_options_of_clips_concern_clips(restorer: restore.Restorer, mixed: Path) -> None:
    out = mixed.with_name("out")
    restore.restore_folder(mixed, out, restorer, recursive=True)
    changed = restore.restore_folder(mixed, out, restorer, recursive=True, codec="hevc")
    assert statuses(changed) == {"a.jfif": "skipped", "b.png": "skipped", "c.mp4": "done"}
    steady = restore.restore_folder(mixed, out, restorer, recursive=True, temporal=True)
    assert statuses(steady) == {"a.jfif": "skipped", "b.png": "done", "c.mp4": "done"}


def test_an_interrupted_clip_goes_on(
    restorer: restore.Restorer, mixed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segments, "FRAMES", 4)
    tapes, out, seen = mixed / "tapes", mixed.with_name("out"), 0

    def see(source: Path, done: int, total: int) -> None:
        nonlocal seen
        assert (source.name, total) == ("c.mp4", 12)
        seen = done

    calls = {"on_frames": see, "should_stop": lambda: seen >= 9}
    stopped = restore.restore_folder(tapes, out, restorer, **calls)
    assert (stopped.status, statuses(stopped)) == ("stopped", {"c.mp4": "stopped"})
    assert not (out / "c.mp4").exists()
    kept = mixed.with_name("kept")
    shutil.copytree(work_folder(out / "c.mp4"), kept)
    done = restore.restore_folder(tapes, out, restorer)
    assert [(file.frames, file.resumed) for file in done.files] == [(12, 8)]
    assert len(frames(out / "c.mp4")) == 12
    assert not work_folder(out / "c.mp4").exists()
    # A kill between the two leaves segments of a finished clip, which nothing needs.
    kept.rename(work_folder(out / "c.mp4"))
    assert statuses(restore.restore_folder(tapes, out, restorer)) == {"c.mp4": "skipped"}
    assert not work_folder(out / "c.mp4").exists()


def test_segments_of_another_job_are_discarded(
    restorer: restore.Restorer, mixed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segments, "FRAMES", 4)
    tapes, out, seen = mixed / "tapes", mixed.with_name("out"), 0

    def see(source: Path, done: int, total: int) -> None:
        nonlocal seen
        seen = done

    calls = {"on_frames": see, "should_stop": lambda: seen >= 9}
    restore.restore_folder(tapes, out, restorer, **calls)
    done = restore.restore_folder(tapes, out, restorer, temporal=True)
    assert [(file.status, file.resumed) for file in done.files] == [("done", 0)]


def test_a_damaged_clip_fails_alone(restorer: restore.Restorer, mixed: Path) -> None:
    clip = mixed / "tapes" / "c.mp4"
    clip.write_bytes(clip.read_bytes()[:2000])
    done = restore.restore_folder(mixed, mixed.with_name("out"), restorer, recursive=True)
    assert statuses(done) == {"a.jfif": "done", "b.png": "done", "c.mp4": "failed"}
    assert done.status == "failed"
    assert done.count("failed") == 1
    (reason,) = (file.reason for file in done.files if file.status == "failed")
    assert reason.startswith("is cut short")


def test_a_container_that_cannot_be_written_becomes_matroska(
    restorer: restore.Restorer, tmp_path: Path
) -> None:
    make(tmp_path / "tapes.mkv", replace(CLIP, codec="mpeg2video", sound_codec="mp2"))
    (tmp_path / "in").mkdir()
    make(tmp_path / "in" / "a.ts", replace(CLIP, codec="mpeg2video", sound_codec="mp2"))
    done = restore.restore_folder(tmp_path / "in", tmp_path / "out", restorer)
    assert [(file.target.name, file.status) for file in done.files] == [("a.mkv", "done")]


def test_a_dry_run_is_a_plan(restorer: restore.Restorer, mixed: Path) -> None:
    out = mixed.with_name("out")
    plan = restore.restore_folder([mixed, mixed / "tapes"], out, "denoise", dry_run=True)
    assert set(statuses(plan).values()) == {"planned"}
    assert [file.target for file in plan.files] == [out / n for n in ("a.jfif", "b.png", "c.mp4")]
    assert not out.exists()


def test_rejects_options_that_have_no_effect(restorer: restore.Restorer, mixed: Path) -> None:
    out = mixed.with_name("out")
    for source, options, complaint in (
        (mixed / "a.jfif", {"crf": 20}, "crf is for clips; .* holds none"),
        (mixed, {"fps": 25}, "fps is for numbered pictures, whose name is a pattern such as"),
        (mixed, {"bit_depth": "12"}, "bit depth is '12'"),
        (mixed, {"format": "doc"}, "format is 'doc'"),
        (mixed, {"strength": 0.5}, "strength is an option of the Restorer"),
        (mixed, {"strenght": 0.5}, "there is no option 'strenght'; did you mean"),
        (mixed, {"skip_existing": True, "overwrite": True}, "give one of them"),
        ([], {}, "there are no inputs"),
    ):
        with pytest.raises(UsageError, match=complaint):
            restore.restore_folder(source, out, restorer, **options)
    assert not out.exists()


def test_progress_counts_the_frames_of_all_files(restorer: restore.Restorer, mixed: Path) -> None:
    """The clip's by its header before it is read; also what an earlier run has done."""
    make(mixed / "d.mkv", CLIP)
    out, seen = mixed.with_name("out"), []

    def note(done: int, total: int) -> None:
        seen.append((done, total))

    restore.restore_folder(mixed, out, restorer, recursive=True, on_all_frames=note)
    assert seen[0] == (0, 1 + 1 + 12 + 12)  # an animation counts when it is read
    assert seen[-1] == (1 + 3 + 12 + 12,) * 2
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    seen.clear()
    restore.restore_folder(mixed, out, restorer, recursive=True, on_all_frames=note)
    assert seen[-1][0] == seen[-1][1]


def test_frames_of_files_that_cannot_be_read_count_as_one(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"no clip")
    assert [frames_in(tmp_path / name) for name in ("a.mp4", "none.mkv", "a.png")] == [1, 1, 1]
    assert frames_in(make(tmp_path / "b.mp4", CLIP)) == 12
