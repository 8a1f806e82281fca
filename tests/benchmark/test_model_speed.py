"""The bench times real processes of this version and of others."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from command import one_error_line, restore
from models import save_model

from restore import Restorer
from restore.benchmark import model_speed, timed_processes
from restore.checkpoints.card import TilePolicy
from restore.checkpoints.store import locate
from restore.errors import RestoreError, UsageError
from restore.networks.maxim import VARIANTS

ROOT = Path(__file__).resolve().parents[2]


def test_settings_are_timed_in_turns_and_stated_as_fractions(tmp_path: Path) -> None:
    model = locate(save_model(tmp_path))
    settings = model_speed.settings_for(
        [model], (64, 96), "cpu", ["float32", "bfloat16"], ["torch"], against=ROOT
    )
    assert [(s.options["precision"], s.version) for s in settings] == [
        (precision, version)
        for precision in ("float32", "bfloat16")
        for version in (timed_processes.HERE, str(ROOT))
    ]
    counts: list[tuple[int, int]] = []
    rows = model_speed.measure(settings[:2], 2, lambda *count: counts.append(count))
    assert counts == [(1, 3), (2, 3), (3, 3)]
    for row in rows:
        assert (row.device, row.precision) == ("cpu", "float32")
        assert row.seconds_a_megapixel == pytest.approx(row.seconds / (64 * 96) * 1e6)
        assert 0 < (row.of_peak or 0) < 1
        assert 0 < (row.of_bandwidth or 0) < 1
        assert 2**26 < row.memory < 2**34
        assert 0 < row.above_start < row.memory - 2**26
        assert row.start_up > row.seconds
    lines = model_speed.table(rows).splitlines()
    assert len(lines) == 4
    assert lines[2].startswith(f"tiny ({ROOT})")


STRICT = """

_read = Card.from_dict


def _read_strictly(values):
    if "window" in (values.get("tile") or ()):
        raise CheckpointError("no window is known here")
    return _read(values)


Card.from_dict = _read_strictly
"""


@pytest.fixture
def older(tmp_path: Path) -> Path:
    """A copy of this version that, like older ones, can read no card with windows; it ships a
    model of its own called denoise-small."""
    root = tmp_path / "older"
    shutil.copytree(ROOT / "restore", root / "restore", ignore=shutil.ignore_patterns("*.pyc*"))
    with (root / "restore" / "checkpoints" / "card.py").open("a") as module:
        module.write(STRICT)
    (root / "weights").mkdir()
    card = save_model(root / "weights", name="denoise-small", tile=TilePolicy(64, 8, 0))
    card = card.with_suffix(".json")
    values = json.loads(card.read_text()) | {"name": "older"}
    del values["tile"]["window"]
    card.write_text(json.dumps(values))
    return root


@pytest.mark.slow
def test_another_version_runs_its_own_code_with_its_own_model(
    older: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)  # where Python would find this version first
    words = ("bench", "speed", "--device", "cpu", "--size", "64x32", "--rounds", "1", "--json")
    outcome = restore(*words, "denoise-small", "--against", older)
    assert outcome.code == 0, outcome.stderr
    rows = json.loads(outcome.stdout)["rows"]
    assert [(row["model"], row["version"]) for row in rows] == [
        ("denoise-small", timed_processes.HERE),
        ("older", str(older)),
    ]


def test_who_cannot_run_in_another_version_is_named_with_it(
    older: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    ours = ROOT / "weights" / "denoise-small.safetensors"
    setting = timed_processes.Setting("denoise", str(ours), 32, 32, {"device": "cpu"}, str(older))
    with pytest.raises(RestoreError) as raised:
        model_speed.measure([setting], 1, lambda done, total: None)
    assert f"{ours} ({older}): " in str(raised.value)
    assert "no window is known here" in str(raised.value)


def test_a_model_that_the_other_version_lacks_is_ours(older: Path, tmp_path: Path) -> None:
    names = ["denoise-small", "deblur-small", str(save_model(tmp_path, name="denoise-small"))]
    models = [locate(name) for name in names]
    found = model_speed.settings_for(models, (64, 64), "cpu", ["float32"], ["torch"], older)
    ours = [str(model.path) for model in models]
    own = str(older / "weights" / "denoise-small.safetensors")
    assert [setting.model for setting in found] == [ours[0], own, ours[1], ours[1], *ours[2:] * 2]


def test_backends_are_timed_in_the_precisions_they_have(tmp_path: Path) -> None:
    precisions, backends = ["float32", "bfloat16"], ["torch", "onnxruntime", "triton"]
    models = [locate(save_model(tmp_path))]
    found = model_speed.settings_for(models, (64, 64), "cpu", precisions, backends, None)
    options = [(s.options.get("backend", "torch"), s.options["precision"]) for s in found]
    assert options == [
        *(("torch", precision) for precision in precisions),
        ("onnxruntime", "float32"),
        *(("triton", precision) for precision in precisions),
    ]


def test_where_there_is_no_other_version_none_is_timed(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no version"):
        model_speed.settings_for([], (64, 64), "cpu", ["float32"], ["torch"], tmp_path)
    line = one_error_line(restore("bench", "speed", "--against", tmp_path), code=2)
    assert "holds no version" in line


def test_only_a_picture_that_is_reduced_is_not_seen_whole(tmp_path: Path) -> None:
    path = save_model(tmp_path, tile=TilePolicy(64, 16, 64 * 64, reduce_to=64))
    card = locate(path).card

    def sees_all(height: int, width: int, **options: object) -> bool:
        return model_speed._sees_all(
            timed_processes.Setting("denoise", str(path), height, width, options), card
        )

    assert not sees_all(96, 128)
    assert not sees_all(96, 128, tile="auto", overlap=8)
    assert sees_all(64, 128)  # which is not reduced
    for tile in ("off", "exact", "window", "64", 64):
        assert sees_all(96, 128, tile=tile)


@pytest.mark.slow
def test_a_reduced_picture_has_no_fractions(tmp_path: Path) -> None:
    path = save_model(tmp_path, tile=TilePolicy(64, 16, 64 * 64, reduce_to=64))
    settings = [
        timed_processes.Setting("denoise", str(path), 96, 128, {"device": "cpu", "tile": tile})
        for tile in ("off", "auto")
    ]
    off, auto = model_speed.measure(settings, 1, lambda done, total: None)
    assert 0 < (off.of_peak or 0) < 1
    assert 0 < (off.of_bandwidth or 0) < 1
    assert (auto.of_peak, auto.of_bandwidth) == (None, None)


def test_operations_and_bytes_do_not_depend_on_the_machine(tmp_path: Path) -> None:
    import torch

    card = locate(save_model(tmp_path)).card
    operations, moved = model_speed._demand(card, torch.float32)
    assert model_speed._demand(card, torch.bfloat16)[0] == operations
    assert operations > 100
    assert 1.5 < moved / model_speed._demand(card, torch.bfloat16)[1] <= 2


def test_who_cannot_run_is_named(tmp_path: Path) -> None:
    settings = [timed_processes.Setting("denoise", "none", 32, 32, {"device": "cpu"})]
    with pytest.raises(RestoreError, match=r"none: .*none"):
        model_speed.measure(settings, 1, lambda done, total: None)


def test_the_command(tmp_path: Path) -> None:
    model = save_model(tmp_path)
    words = ("bench", "speed", model, "--device", "cpu", "--size", "64x32", "--rounds", "1")
    outcome = restore(*words, "--json")
    assert outcome.code == 0, outcome.stderr
    (row,) = json.loads(outcome.stdout)["rows"]
    assert (row["width"], row["height"], row["model"]) == (64, 32, "tiny")
    assert "such as 1920x1080" in restore("bench", "speed", "--size", "big").stderr
    assert "nope" in one_error_line(restore("bench", "speed", "nope"))


def test_official_shapes_are_timed_without_their_weights() -> None:
    with model_speed.located(["S-1"]) as (model,):
        found = Restorer(model.card.task, model.path, device="cpu")
        assert found.card.network == VARIANTS["S-1"]
    assert not model.path.exists()


def test_busy_processes_compute_until_the_context_closes() -> None:
    with timed_processes.BusyProcesses(2) as busy:
        processes = [psutil.Process(process.pid) for process in busy._processes]
        begun = [sum(process.cpu_times()[:2]) for process in processes]
        time.sleep(1)
        for process, before in zip(processes, begun, strict=True):
            assert sum(process.cpu_times()[:2]) > before
    assert not any(process.is_running() for process in processes)


PARENT = """
import time
from restore.benchmark.timed_processes import BusyProcesses
with BusyProcesses(2) as busy:
    print(*(process.pid for process in busy._processes), flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_busy_processes_do_not_outlive_the_bench(end: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        processes = [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()]
        assert len(processes) == 2
        parent.send_signal(end)
        parent.wait()
        _, alive = psutil.wait_procs(processes, timeout=20)
        assert not alive


@pytest.mark.slow
def test_busy_and_first_pictures_are_timed_in_the_same_run(tmp_path: Path) -> None:
    model = save_model(tmp_path)
    words = ("bench", "speed", model, "--device", "cpu", "--size", "96x64", "--rounds", "1")
    outcome = restore(*words, "--busy", "2", "--first", "--json")
    assert outcome.code == 0, outcome.stderr
    (row,) = json.loads(outcome.stdout)["rows"]
    assert row["busy_ratio"] > 0.2
    assert row["first_picture"] > row["seconds"]
    assert row["first_picture"] > row["start_up"] / 10


def test_columns_appear_only_where_something_was_measured() -> None:
    row = model_speed.Speed(
        *("tiny", timed_processes.HERE, "cpu", "float32", "torch", "auto"),
        *(64, 32, 0.5, 250.0, 0.1, 1.0, 2**27, 2**20, 0.4, None),
    )
    plain, measured = model_speed.table([row]), model_speed.table([replace(row, busy_ratio=2.25)])
    assert "busy" not in plain
    assert "first picture" not in measured
    assert measured.splitlines()[0].endswith("busy / quiet")
    assert measured.splitlines()[1].split()[-1] == "2.25"
