"""Shares of a folder run."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import killed_shards
import numpy as np
import pytest
from models import save_model
from pictures import saved
from PIL import Image

import restore
from restore.errors import RestoreError, UsageError
from restore.jobs.manifest import NAME, opened, part_of
from restore.jobs.manifest_line import MARK
from restore.jobs.shard import WHOLE, Shard, parse_shard

ARRAY = {"ID": "7", "COUNT": "4", "MIN": "3", "MAX": "9", "STEP": "2"}


def slurm(**changes: str) -> dict[str, str]:
    return {f"SLURM_ARRAY_TASK_{name}": value for name, value in (ARRAY | changes).items()}


def test_reads_shares_as_people_write_them() -> None:
    assert parse_shard("3/16") == Shard(3, 16)
    assert parse_shard("") == WHOLE == parse_shard("1/1")
    for wrong in ("0/4", "5/4", "3", "3/0", "-1/4", "a/b", "3/16/2", "³/4"):
        with pytest.raises(UsageError, match="shard"):
            parse_shard(wrong)


def test_a_task_of_a_job_array_knows_its_position() -> None:
    assert parse_shard("slurm", slurm()) == Shard(3, 4)
    plain = slurm(ID="0", MIN="0", MAX="15", COUNT="16", STEP="1")
    assert parse_shard("slurm", plain) == Shard(1, 16)
    with pytest.raises(UsageError, match="no task of a SLURM job array"):
        parse_shard("slurm", {})
    bare = {
        name: value for name, value in slurm(STEP="1").items() if name[-3:] not in ("MAX", "MIN")
    }
    with pytest.raises(UsageError, match=r"SLURM_ARRAY_TASK_MIN is not set"):
        parse_shard("slurm", bare)
    assert parse_shard("slurm", bare | {"SLURM_ARRAY_TASK_MIN": "5"}) == Shard(3, 4)
    with pytest.raises(UsageError, match=r"'x'"):
        parse_shard("slurm", slurm(ID="x"))
    with pytest.raises(UsageError, match=r"have gaps.*SLURM_ARRAY_TASK_ID/16"):
        parse_shard("slurm", slurm(STEP="1"))
    assert parse_shard("", slurm()) == WHOLE  # an array may be over folders


def test_every_name_belongs_to_one_share() -> None:
    names = [f"sub/{number}.png" for number in range(4000)] + ["a\udcff.png"]
    owners = Counter(
        index for name in names for index in range(1, 9) if Shard(index, 8).holds(name)
    )
    assert sum(owners.values()) == len(names)
    assert min(owners.values()) > 400


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(12):
        saved(folder / f"{number}.png", colours(number))
    return folder


def colours(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (24, 32, 3), np.uint8)


@pytest.fixture(scope="module")
def restorer(tmp_path_factory: pytest.TempPathFactory) -> restore.Restorer:
    model = save_model(tmp_path_factory.mktemp("identity"), identity=True)
    return restore.Restorer("denoise", model, device="cpu")


def test_shares_fill_one_folder_and_each_other_run_knows_it(
    photos: Path, restorer: restore.Restorer
) -> None:
    out = photos.with_name("out")
    first = [restore.restore_folder(photos, out, restorer, shard=f"{i}/3") for i in (1, 2, 3)]
    done = [file.source.name for run in first for file in run.files]
    assert sorted(done) == sorted(path.name for path in photos.iterdir())
    assert len({part_of(out, Shard(i, 3)) for i in (1, 2, 3)} & {*out.iterdir()}) == 3
    assert not (out / NAME).exists()
    for shard in ("", "2/5"):
        again = restore.restore_folder(photos, out, restorer, shard=shard)
        assert {file.status for file in again.files} <= {"skipped"}


def test_a_share_without_files_is_done(photos: Path, restorer: restore.Restorer) -> None:
    out = photos.with_name("out")
    runs = [restore.restore_folder(photos / "0.png", out, restorer, shard=f"{i}/2") for i in (1, 2)]
    assert sorted(len(run.files) for run in runs) == [0, 1]
    assert {run.status for run in runs} == {"done"}


def test_locks_are_of_shares(tmp_path: Path) -> None:
    with opened(tmp_path, Shard(1, 2)), opened(tmp_path, Shard(2, 2)):
        for other in (Shard(1, 2), Shard(1, 3)):
            with pytest.raises(RestoreError, match="another run"), opened(tmp_path, other):
                pass
        with pytest.raises(RestoreError, match="another run"), opened(tmp_path):
            pass
    with opened(tmp_path):
        pass
    with opened(tmp_path, Shard(1, 3)):
        pass


def test_a_share_waits_for_others_to_start_but_not_for_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("restore.jobs.manifest._WAIT", 0.1)
    with opened(tmp_path), pytest.raises(RestoreError, match="another"):
        opened(tmp_path, Shard(1, 2)).__enter__()
    with pytest.raises(RestoreError, match='shard="1/4"'), opened(tmp_path), opened(tmp_path):
        pass


def test_sweeping_leaves_other_shares_of_the_run_alone(tmp_path: Path) -> None:
    with opened(tmp_path, Shard(1, 2)) as one, opened(tmp_path, Shard(2, 2)) as two:
        live = tmp_path / f".{two.mark}0.part"
        live.write_bytes(b"new")
        two.add(Path("in.png"), tmp_path / "a.png", live, {})
        for name in ("1-of-2-1", "1-of-3-1", "2-of-3-1", "1"):
            (tmp_path / f".{MARK}{name}.part").write_bytes(b"half")
        one.complete()
        one.sweep(tmp_path)
        assert [*tmp_path.glob(".*.part")] == [live]
        assert not (tmp_path / "a.png").exists()
    with opened(tmp_path, Shard(1, 4)):
        assert (tmp_path / "a.png").read_bytes() == b"new"
        assert not live.exists()


@pytest.mark.slow
def test_killed_shards_lose_nothing_and_do_nothing_twice(tmp_path: Path) -> None:
    photos, out, kills = tmp_path / "photos", tmp_path / "out", 20
    photos.mkdir()
    for number in range(160):
        saved(photos / f"{number}.png", colours(number))
    model = save_model(tmp_path, identity=True)
    command = [sys.executable, killed_shards.__file__, photos, out, model, "4", str(kills)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=160)
    assert done.stdout.split() == [str(kills), *"0000"], done.stderr
    for number in range(160):
        made = np.asarray(Image.open(out / f"{number}.png"))
        np.testing.assert_array_equal(made, colours(number))
    parts = sorted(out.glob(".restore-batch.*.jsonl"))
    assert len(parts) == 4
    lines = [json.loads(line) for part in parts for line in part.read_text().splitlines()]
    assert Counter(line["output"] for line in lines) == {f"{n}.png": 1 for n in range(160)}
    assert not [*out.glob(".*.part")]
