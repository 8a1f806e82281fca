"""The plan of a folder run: inputs, places of results, and refusals before any work."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from restore.errors import ImageError, UsageError
from restore.jobs import folder_plan
from restore.jobs.folder_plan import Job, Naming
from restore.jobs.listing import files_in
from restore.jobs.routing import is_folder_run

TREE = (
    *("a.png", "B.JPG", "notes.txt", ".hidden.png"),
    *("sub/a.png", "sub/deeper/c.tif", ".git/d.png", "out/made.png"),
)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    for name in TREE:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def plan(*arguments: Any, **options: Any) -> list[Job]:
    return [*folder_plan.plan(*arguments, **options)]


def passed_over(sources: list[Path], output: Path, **options: Any) -> list[Path]:
    found = folder_plan.plan(sources, output, may_be_empty=True, **options)
    others = [*found.passed_over()]
    assert found.count_passed_over() == len(others)
    return others


def names(jobs: list[Job], output: Path) -> list[str]:
    return [job.target.relative_to(output).as_posix() for job in jobs]


def test_a_folder_means_its_pictures(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert plan([photos], out) == [
        Job(photos / "B.JPG", out / "B.JPG"),
        Job(photos / "a.png", out / "a.png"),
    ]


def test_the_tree_is_kept(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    found = names(plan([photos], out, recursive=True), out)
    assert found == ["B.JPG", "a.png", "out/made.png", "sub/a.png", "sub/deeper/c.tif"]


def test_files_in_the_output_are_no_inputs(photos: Path) -> None:
    out = photos / "out"
    found = names(plan([photos], out, recursive=True), out)
    assert found == ["B.JPG", "a.png", "sub/a.png", "sub/deeper/c.tif"]


def test_files_and_patterns_may_be_mixed(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    jobs = plan([photos / "B.JPG", photos / "**" / "*.tif", photos / "B.JPG"], out)
    assert names(jobs, out) == ["B.JPG", "sub/deeper/c.tif"]


def test_a_named_file_is_an_input_under_any_ending(photos: Path, tmp_path: Path) -> None:
    """To read it is what tells that it cannot be."""
    jobs = plan([photos / "notes.txt", photos / "a.png"], tmp_path)
    assert [job.source.name for job in jobs] == ["a.png", "notes.txt"]
    with pytest.raises(ImageError, match=r"absent\.png: no such file or folder"):
        plan([photos / "absent.png"], tmp_path)


def test_a_file_with_the_name_of_a_pattern_is_itself(tmp_path: Path) -> None:
    odd = tmp_path / "photo[1].png"
    odd.touch()
    assert not is_folder_run([odd], tmp_path / "out.png")
    assert plan([odd], tmp_path / "out") == [Job(odd, tmp_path / "out" / odd.name)]


def test_names_follow_suffix_and_format(photos: Path, tmp_path: Path) -> None:
    jobs = plan([photos], tmp_path, naming=Naming("-clean", "webp"))
    assert names(jobs, tmp_path) == ["B-clean.webp", "a-clean.webp"]


@pytest.mark.parametrize("wrong", [{"suffix": "a/b"}, {"format": "doc"}, {"format": ".png"}])
def test_rejects_impossible_names(wrong: dict[str, str]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        Naming(**wrong)


def test_two_inputs_of_one_output_are_found(photos: Path, tmp_path: Path) -> None:
    (photos / "a.jpg").touch()
    with pytest.raises(ImageError, match=r"a\.jpg and .*a\.png would both become .*a\.tif"):
        plan([photos], tmp_path, naming=Naming(format="tif"))


def test_inputs_are_not_replaced(photos: Path) -> None:
    with pytest.raises(ImageError, match="would replace the input"):
        plan([photos], photos)
    with pytest.raises(ImageError, match="would replace the input"):
        plan([photos / "a.png"], photos)
    assert names(plan([photos / "a.png"], photos, naming=Naming("-new")), photos) == ["a-new.png"]


def test_inputs_are_not_replaced_through_a_link(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(photos)
    with pytest.raises(ImageError, match="would replace the input"):
        plan([photos], tmp_path / "link")
    out = tmp_path / "out"
    out.mkdir()
    (out / "a.png").symlink_to(photos / "a.png")
    with pytest.raises(ImageError, match="would replace the input"):
        plan([photos], out)


@pytest.mark.parametrize("naming", [Naming("-clean"), Naming(format="webp")], ids=str)
def test_results_next_to_their_inputs_are_no_inputs(photos: Path, naming: Naming) -> None:
    first = plan([photos], photos, naming=naming)
    for job in first:
        job.target.touch()
    assert plan([photos], photos, naming=naming) == first
    pattern = [photos / "*.*"]
    assert plan(pattern, photos, naming=naming) == plan(pattern, photos, naming=naming)
    assert {job.source for job in plan(pattern, photos, naming=naming)} == {
        job.source for job in first
    }


def test_a_relative_pattern_leaves_out_what_lies_in_the_output(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(photos)
    found = names(plan([Path("**/*.png")], Path("out")), Path("out"))
    assert found == ["a.png", "sub/a.png"]


def test_a_folder_that_cannot_be_read_is_named(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: object, **options: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("os.scandir", refuse)
    with pytest.raises(ImageError, match="photos: cannot be read: Permission denied"):
        plan([photos], tmp_path / "out")


def test_the_output_must_not_be_a_file(photos: Path) -> None:
    with pytest.raises(ImageError, match="is a file; name a folder"):
        plan([photos], photos / "a.png")


def test_an_empty_plan_names_recursive(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"no pictures; recursive=True includes"):
        plan([tmp_path], tmp_path / "out")
    with pytest.raises(ImageError, match=r"\*\.png: no pictures\Z"):
        plan([tmp_path / "*.png"], tmp_path / "out")
    assert plan([tmp_path], tmp_path / "out", may_be_empty=True) == []


def test_detects_folder_runs(photos: Path, tmp_path: Path) -> None:
    one, out = photos / "a.png", tmp_path / "out.png"
    assert not is_folder_run([one], out)
    assert is_folder_run([one, one], out)
    assert is_folder_run([photos], out)
    assert is_folder_run([photos / "*.png"], out)
    assert is_folder_run([one], photos)


def test_clips_are_inputs_too(tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    (folder / "deep").mkdir(parents=True)
    for name in ("a.png", "b.mp4", "deep/c.MOV"):
        (folder / name).touch()
    assert names(plan([folder], out, recursive=True), out) == ["a.png", "b.mp4", "deep/c.MOV"]
    assert names(plan([folder / "*.mp4"], out), out) == ["b.mp4"]


def test_clips_keep_a_container_that_can_be_written(tmp_path: Path) -> None:
    for name in ("a.png", "b.mp4", "c.MTS"):
        (tmp_path / name).touch()
    out = tmp_path / "out"
    for format_, expected in (
        ("", ["a.png", "b.mp4", "c.mkv"]),
        ("webp", ["a.webp", "b.mp4", "c.mkv"]),
        ("mov", ["a.png", "b.mov", "c.mov"]),
    ):
        assert names(plan([tmp_path], out, naming=Naming(format=format_)), out) == expected


def test_files_of_unknown_kinds_are_listed(photos: Path, tmp_path: Path) -> None:
    out = photos / "out"
    (photos / "sub" / "raw.xyz").touch()
    os.mkfifo(photos / "pipe.txt")
    (out / "log.txt").touch()
    assert passed_over([photos], out) == [photos / "notes.txt"]
    everything = [photos / "notes.txt", photos / "sub" / "raw.xyz"]
    assert passed_over([photos], out, recursive=True) == everything
    assert passed_over([photos / "*.txt", photos / "a.png"], out) == [photos / "notes.txt"]
    # A file that is named is an input, and fails with the reason.
    assert passed_over([photos / "notes.txt", photos], out) == []


def test_results_of_several_files_are_no_clip(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="is the name of a clip; name a folder"):
        plan([photos / "*.png"], tmp_path / "out.mp4")


def test_pipes_are_no_pictures(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    os.mkfifo(tmp_path / "pipe.png")
    assert [job.source.name for job in plan([tmp_path], tmp_path / "out")] == ["a.png"]


def test_names_that_differ_in_case_are_two_files_where_they_are(tmp_path: Path) -> None:
    source, output = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    for name in ("Photo.jpg", "photo.jpg"):
        (source / name).touch()
    if len(list(source.iterdir())) == 1:
        pytest.skip("this file system ignores case")
    assert [job.target.name for job in plan([source], output)] == ["Photo.jpg", "photo.jpg"]
    output.mkdir()
    (output / "Any.txt").touch()
    os.link(output / "Any.txt", output / "aNY.TXT")  # as on a file system that ignores case
    with pytest.raises(ImageError, match="would both become"):
        plan([source], output / "new")


def test_inputs_are_in_the_order_of_their_folders(tmp_path: Path) -> None:
    for name in ("a-b/1.png", "a/2.png", "a/b/3.png", "a.png", "a0/4.png"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).touch()
    found = [job.source for job in plan([tmp_path / "in"], tmp_path / "out", recursive=True)]
    assert found == sorted(found)
    assert len(found) == 5


def test_names_of_any_bytes_are_kept(tmp_path: Path) -> None:
    name = os.fsdecode(b"a\xff.png")
    (tmp_path / name).touch()
    assert plan([tmp_path], tmp_path / "out") == [Job(tmp_path / name, tmp_path / "out" / name)]


def test_some_jobs_are_evenly_spread(tmp_path: Path) -> None:
    for number in range(10):
        (tmp_path / f"{number}.png").touch()
    found = folder_plan.plan([tmp_path], tmp_path / "out")
    assert [job.source.stem for job in found.some(3)] == ["0", "4", "8"]
    assert len(found.some(100)) == len(found) == 10


def test_patterns_of_any_depth_enter_no_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A link to a folder above would hold all of it again, forty levels deep."""
    (tmp_path / "lp" / "sub" / ".cache").mkdir(parents=True)
    (tmp_path / "lp" / "loop").symlink_to(".")
    for name in ("1.jpg", "sub/2.jpg", "sub/.cache/3.jpg", "sub/.4.jpg"):
        (tmp_path / "lp" / name).touch()
    monkeypatch.chdir(tmp_path)
    for base in (Path("lp"), tmp_path / "lp"):
        for pattern in ("**/*.jpg", "**"):
            found = files_in([base / pattern], tmp_path / "out", recursive=False)
            places = sorted(file.place for file in found if file.is_regular)
            assert places == ["1.jpg", "sub/2.jpg"], pattern
    found = files_in([Path("lp/sub/**/.*/*.jpg")], tmp_path / "out", recursive=False)
    assert [file.place for file in found] == [".cache/3.jpg"]
    found = files_in([Path("lp/loop/*.jpg")], tmp_path / "out", recursive=False)
    assert [file.path for file in found] == ["lp/loop/1.jpg"]
