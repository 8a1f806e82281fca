from __future__ import annotations

import json
from pathlib import Path

import pytest

from restore.errors import RestoreError
from restore.files import atomic_path, sha256_of
from restore.jobs.manifest import LOCK, NAME, Manifest, opened
from restore.jobs.manifest_line import MARK

KEY = {"model": "m", "strength": 1.0}


def make(manifest: Manifest, target: Path, content: bytes, named: bool = True) -> None:
    """An output with its line; without its name as a kill leaves it between the two."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{MARK}0.part")
    temporary.write_bytes(content)
    manifest.add(Path("in") / target.name, target, temporary, KEY)
    if named:
        temporary.replace(target)


def test_the_next_run_knows_finished_outputs(tmp_path: Path) -> None:
    with opened(tmp_path) as manifest:
        make(manifest, tmp_path / "sub" / "a.png", b"a")
    with opened(tmp_path) as again:
        (line,) = again.lines_of(tmp_path / "sub" / "a.png")
        assert line.key == KEY
        assert again.lines_of(tmp_path / "b.png") == []


def test_a_changed_output_is_not_made_by_a_run(tmp_path: Path) -> None:
    with opened(tmp_path) as manifest:
        make(manifest, tmp_path / "a.png", b"a")
        (tmp_path / "a.png").write_bytes(b"retouched by hand")
        assert manifest.lines_of(tmp_path / "a.png") == []
        (tmp_path / "a.png").unlink()
        assert manifest.lines_of(tmp_path / "a.png") == []


def test_lines_count_that_led_to_the_present_bytes(tmp_path: Path) -> None:
    with opened(tmp_path) as manifest:
        for content in (b"old", b"new"):
            make(manifest, tmp_path / "a.png", content)
    with opened(tmp_path) as again:
        (line,) = again.lines_of(tmp_path / "a.png")
        assert line.output_sha256 == sha256_of(tmp_path / "a.png")
        (tmp_path / "a.png").write_bytes(b"old")  # from a backup
        (line,) = again.lines_of(tmp_path / "a.png")
        assert line.output_sha256 == sha256_of(tmp_path / "a.png")
    assert len((tmp_path / NAME).read_text().splitlines()) == 2


def test_sweeping_renames_complete_outputs_and_removes_others(tmp_path: Path) -> None:
    with opened(tmp_path) as manifest:
        make(manifest, tmp_path / "sub" / "a.png", b"a", named=False)
    half = tmp_path / "sub" / f".{MARK}1.part"
    half.write_bytes(b"half")
    others = tmp_path / ".0123456789abcdef.part"  # of some other program, or of a single picture
    others.write_bytes(b"not ours")
    with opened(tmp_path) as again:
        again.sweep(tmp_path)
        again.sweep(tmp_path / "sub")
        assert (tmp_path / "sub" / "a.png").read_bytes() == b"a"
        assert not half.exists()
        assert others.exists()


def test_sweeping_keeps_files_of_the_user(tmp_path: Path) -> None:
    with opened(tmp_path) as manifest:
        make(manifest, tmp_path / "a.png", b"old")
        make(manifest, tmp_path / "a.png", b"new", named=False)
    with opened(tmp_path) as again:
        assert (tmp_path / "a.png").read_bytes() == b"new"  # it was ours
        make(again, tmp_path / "b.png", b"b", named=False)
    (tmp_path / "b.png").write_bytes(b"mine")
    with opened(tmp_path) as again:
        again.sweep(tmp_path)
        assert (tmp_path / "b.png").read_bytes() == b"mine"


def test_sweeping_leaves_other_runs_alone(tmp_path: Path) -> None:
    with opened(tmp_path / "sub"):
        live = tmp_path / "sub" / f".{MARK}1.part"
        live.touch()
        with opened(tmp_path) as outer:
            outer.sweep(tmp_path)
            outer.sweep(tmp_path / "sub")
        assert live.exists()


@pytest.mark.parametrize(
    "change",
    [
        {"output": "../victim"},
        {"output": "/tmp/victim"},
        {"temporary": "../evil"},
        {"temporary": "evil"},
        {"output": ["a"]},
        {"temporary": None},
        {"output_sha256": 1},
        {"output": "a\ud800.png"},
        {"key": None},
    ],
    ids=str,
)
def test_ignores_lines_that_no_run_has_written(tmp_path: Path, change: dict[str, object]) -> None:
    folder = tmp_path / "out"
    with opened(folder) as manifest:
        make(manifest, folder / "a.png", b"evil", named=False)
    line = json.loads((folder / NAME).read_text())
    (folder / NAME).write_text(json.dumps(line | change))
    (folder / "evil").write_bytes(b"evil")
    (tmp_path / "victim").write_bytes(b"good")
    with opened(folder) as again:
        assert again.lines_of(folder / "a.png") == []
    assert (tmp_path / "victim").read_bytes() == b"good"
    assert not (folder / "a.png").exists()


@pytest.mark.parametrize("torn", [b'{"input": "in/b.p', b"\x00\x00", b"[]", b'{"output": 1}'])
def test_ignores_torn_lines(tmp_path: Path, torn: bytes) -> None:
    with opened(tmp_path) as manifest:
        make(manifest, tmp_path / "a.png", b"a")
    with open(tmp_path / NAME, "ab") as file:
        file.write(torn)
    with opened(tmp_path) as again:
        make(again, tmp_path / "b.png", b"b")
    with opened(tmp_path) as last:
        assert last.lines_of(tmp_path / "a.png")
        assert last.lines_of(tmp_path / "b.png")


def test_one_run_at_a_time(tmp_path: Path) -> None:
    with opened(tmp_path), pytest.raises(RestoreError, match="another run"), opened(tmp_path):
        pass
    with opened(tmp_path):
        assert (tmp_path / LOCK).exists()


def test_a_folder_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RestoreError, match="out: cannot be a run's folder"):
        opened(tmp_path / "file" / "out").__enter__()


def test_the_line_is_there_before_the_name(tmp_path: Path) -> None:
    target = tmp_path / "a.png"
    order = []
    with atomic_path(target, MARK, lambda part: order.append((part.read_bytes(), target.exists()))):
        next(tmp_path.glob(f".{MARK}*.part")).write_bytes(b"a")
    assert order == [(b"a", False)]
    assert target.read_bytes() == b"a"
