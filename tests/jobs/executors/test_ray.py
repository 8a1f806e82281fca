"""Folder runs on Ray clusters of this machine."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import one_error_line
from command import restore as run_command
from models import save_model
from pictures import saved
from PIL import Image

import restore
from restore.errors import RestoreError, UsageError
from restore.jobs.executors import ray as executor
from restore.jobs.manifest import NAME

ray = pytest.importorskip("ray")
get_ray_address_file = pytest.importorskip("ray._common.utils").get_ray_address_file
cluster_utils = pytest.importorskip("ray.cluster_utils")

pytestmark = [
    # Ray leaves sockets to its processes open, and announces changes of its defaults.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def colours(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (24, 32, 3), np.uint8)


def make_photos(folder: Path, count: int) -> Path:
    folder.mkdir()
    for number in range(count):
        saved(folder / f"{number}.png", colours(number))
    return folder


def check(out: Path, numbers: range) -> None:
    """Exactly these outputs are there, and each is in the manifest once."""
    for number in numbers:
        made = np.asarray(Image.open(out / f"{number}.png"))
        np.testing.assert_array_equal(made, colours(number))
    lines = [json.loads(line) for line in (out / NAME).read_text().splitlines()]
    assert sorted(line["output"] for line in lines) == sorted(f"{n}.png" for n in numbers)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """One node with two CPUs. Its workers import the package that is tested."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(restore.__file__).parents[1]))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_worker_niceness", "0")  # 15 otherwise: never, on a busy machine
        made = cluster_utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 2})
        yield made
        ray.shutdown()
        made.shutdown()


@pytest.fixture
def connected(cluster: Any) -> Iterator[None]:
    ray.init(cluster.address, log_to_driver=False)
    yield
    ray.shutdown()


def test_two_workers_restore_a_folder(connected: None, tmp_path: Path) -> None:
    model, out = save_model(tmp_path, identity=True), tmp_path / "out"
    photos = make_photos(tmp_path / "photos", 6)
    (photos / "0.png").write_bytes(b"no picture")
    options = {"model": model, "executor": "ray", "workers": 2}
    done = restore.restore_folder(photos, out, "denoise", **options)
    found = {file.source.name: file.status for file in done.files}
    assert found == {"0.png": "failed"} | {f"{number}.png": "done" for number in range(1, 6)}
    assert (done.status, done.model, done.device) == ("failed", "tiny", "cpu")
    assert [file.source for file in done.files] == sorted(photos.iterdir())
    assert done.files[1].size == (24, 32)
    check(out, range(1, 6))
    again = restore.restore_folder(photos, out, "denoise", model=model)  # in this process
    assert {file.status for file in again.files[1:]} == {"skipped"}


def test_a_run_that_stops_before_a_worker_has_started_is_no_failure(
    connected: None, tmp_path: Path
) -> None:
    photos, model = make_photos(tmp_path / "photos", 3), save_model(tmp_path, identity=True)
    options = {"model": model, "device": "cpu", "executor": "ray", "workers": 1}
    out = tmp_path / "out"
    done = restore.restore_folder(photos, out, "denoise", should_stop=lambda: True, **options)
    assert (done.status, [file.status for file in done.files]) == ("stopped", ["stopped"] * 3)


def test_the_command_uses_a_cluster_that_is_there(cluster: Any, tmp_path: Path) -> None:
    """As a driver that is submitted as a job: without a terminal, by RAY_ADDRESS."""
    model, out = save_model(tmp_path, identity=True), tmp_path / "out"
    make_photos(tmp_path / "photos", 4)
    words = ("denoise", "photos", "out", "--model", model.name, "--executor", "ray", "--json")
    done = run_command(*words, cwd=tmp_path, fresh=True, RAY_ADDRESS=cluster.address)
    assert done.code == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert sorted(row["output"] for row in rows) == [
        os.path.join("out", f"{n}.png") for n in range(4)
    ]
    check(out, range(4))


@pytest.mark.slow
def test_a_node_that_is_killed_loses_nothing(cluster: Any, tmp_path: Path) -> None:
    model, out, count = save_model(tmp_path, identity=True), tmp_path / "out", 60
    photos = make_photos(tmp_path / "photos", count)
    nodes = [cluster.add_node(num_cpus=2) for _ in range(2)]
    cluster.wait_for_nodes()
    ray.init(cluster.address, log_to_driver=False)
    seen: list[str] = []

    def note(outcome: restore.Outcome) -> None:
        seen.append(outcome.status)
        if len(seen) == 10:
            cluster.remove_node(nodes.pop(), allow_graceful=False)

    options = {"model": model, "executor": "ray", "workers": 3, "on_outcome": note}
    try:
        done = restore.restore_folder(photos, out, "denoise", **options)
    finally:
        ray.shutdown()
        for node in nodes:
            cluster.remove_node(node)
    assert {file.status for file in done.files} == {"done"}
    assert len(done.files) == count
    check(out, range(count))


@pytest.mark.slow
def test_a_driver_that_is_killed_loses_nothing(cluster: Any, tmp_path: Path) -> None:
    model, out, count = save_model(tmp_path, identity=True), tmp_path / "out", 200
    photos = make_photos(tmp_path / "photos", count)
    words = ("denoise", photos, out, "--model", model, "--executor", "ray", "--quiet")
    environment = {**os.environ, "RAY_ADDRESS": cluster.address}
    driver = subprocess.Popen([sys.executable, "-m", "restore.cli", *words], env=environment)
    until = time.monotonic() + 200
    while lines_in(out) < 5 and driver.poll() is None and time.monotonic() < until:
        time.sleep(0.01)
    driver.kill()
    assert driver.wait() == -signal.SIGKILL
    before = lines_in(out)
    assert 5 <= before < count
    done = restore.restore_folder(photos, out, "denoise", model=model, device="cpu")
    assert done.count("skipped") == before
    assert done.count("done") == count - before
    check(out, range(count))
    assert not [*out.glob(".*.part")]


def lines_in(out: Path) -> int:
    return (out / NAME).read_bytes().count(b"\n") if (out / NAME).exists() else 0


def test_wrong_usage_is_refused_before_any_cluster(tmp_path: Path) -> None:
    model, out = save_model(tmp_path, identity=True), tmp_path / "out"
    photos = make_photos(tmp_path / "photos", 2)
    for options, complaint in (
        ({"executor": "rai"}, "executor is 'rai'.*did you mean 'ray'"),
        ({"ray_address": "auto"}, 'ray_address is for executor="ray"'),
        ({"executor": "ray", "ray_address": "ray://host:10001"}, "ray job submit"),
        ({"executor": "ray", "device": "cuda:1"}, "device is 'cuda:1'"),
    ):
        with pytest.raises(UsageError, match=complaint):
            restore.restore_folder(photos, out, "denoise", model=model, **options)
    restorer = restore.Restorer("denoise", model, device="cpu")
    with pytest.raises(UsageError, match="give the name of a head"):
        restore.restore_folder(photos, out, restorer, executor="ray")
    words = ("denoise", photos, out, "--model", model, "--executor", "ray", "--devices", "2")
    assert "leave out --devices" in one_error_line(run_command(*words), code=2)
    assert not out.exists()


def test_an_address_without_a_cluster_is_one_line(tmp_path: Path) -> None:
    model = save_model(tmp_path, identity=True)
    photos = make_photos(tmp_path / "photos", 1)
    options = {"model": model, "executor": "ray", "ray_address": "nowhere.invalid:1"}
    with pytest.raises(RestoreError, match=r"nowhere\.invalid:1: no Ray cluster"):
        restore.restore_folder(photos, tmp_path / "out", "denoise", **options)


def test_a_cluster_that_is_gone_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray keeps the address of this machine's cluster in a file, which outlives a crash."""
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    note = Path(get_ray_address_file(None))
    assert note.is_relative_to(tmp_path)
    assert executor._local() is None
    note.parent.mkdir(parents=True, exist_ok=True)
    with socket.create_server(("127.0.0.1", 0)) as server:
        note.write_text(f"127.0.0.1:{server.getsockname()[1]}")
        assert executor._local() is None
    assert executor._local() == "local"
