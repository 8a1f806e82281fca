"""Workers that do all a worker on another machine does, in threads of this process."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from models import save_model
from pictures import saved
from PIL import Image

from restore.errors import RestoreError
from restore.jobs import dispatch
from restore.jobs.clip_options import ClipOptions
from restore.jobs.crew import Crew, WorkerLost
from restore.jobs.dispatch import Dispatch
from restore.jobs.file_stages import JobCallbacks, OutputPolicy
from restore.jobs.file_worker import FileWorker, TileReport
from restore.jobs.folder_callbacks import FolderCallbacks
from restore.jobs.folder_plan import plan
from restore.jobs.folder_work import FolderWork
from restore.jobs.manifest import NAME, opened
from restore.jobs.outcome import Outcome
from restore.media.io_options import IoOptions

COUNT = 8


class Mortal:
    """A worker, which is lost before or after it carries out a call that ``dies`` chooses."""

    def __init__(self, dies: Callable[[str, Any], str]):
        self._worker, self._threads, self._dies = FileWorker(), ThreadPoolExecutor(8), dies
        self._waiting: set[Future[Any]] = set()
        self._dead = threading.Event()

    def call(self, method: str, *arguments: Any) -> Future[Any]:
        answer: Future[Any] = Future()
        self._waiting.add(answer)
        when = self._dies(method, arguments[0] if arguments else None)

        def work() -> None:
            try:
                if when != "before" and not self._dead.is_set():
                    result = getattr(self._worker, method)(*arguments)
                    if not when and not self._dead.is_set():
                        self._waiting.discard(answer)
                        answer.set_result(result)
            except Exception as error:  # noqa: BLE001  # as of a worker in another process
                self._waiting.discard(answer)
                answer.set_exception(error)
            if when or self._dead.is_set():
                self._die()

        self._threads.submit(work)
        return answer

    def end(self) -> None:
        self._die()
        self._threads.shutdown(wait=False)

    def _die(self) -> None:
        self._dead.set()
        while self._waiting:
            self._waiting.pop().set_exception(WorkerLost("was killed"))

    def bury(self) -> None:
        """Release what still waits for the driver: threads cannot be killed. Not earlier: they
        remove their temporary files, which dead processes leave."""
        for desk in [*self._worker._desks.values()]:
            desk.answers.put("was killed")


class SmallPool:
    def __init__(self, count: int, dies: Callable[[str, Any], str] = lambda method, first: ""):
        self.count = self.sharing = count
        self._dies = dies
        self._workers: list[Mortal] = []

    @property
    def started(self) -> int:
        return len(self._workers)

    def start(self) -> Mortal:
        self._workers.append(Mortal(self._dies))
        return self._workers[-1]

    def bury(self) -> None:
        for worker in self._workers:
            worker.bury()


def colours(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (24, 32, 3), np.uint8)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    (tmp_path / "photos").mkdir()
    for number in range(COUNT):
        saved(tmp_path / "photos" / f"{number}.png", colours(number))
    return tmp_path / "photos"


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> FolderWork:
    model = save_model(tmp_path_factory.mktemp("identity"), identity=True)
    options = {"model": str(model), "device": "cpu"}
    return FolderWork("denoise", options, IoOptions(), ClipOptions(), OutputPolicy())


def run(
    photos: Path, work: FolderWork, team: SmallPool, calls: JobCallbacks | None = None
) -> Iterator[Outcome]:
    out = photos.with_name("out")
    said: list[str] = []
    crew = Crew(team, work, FolderCallbacks(notify=said.append))
    crew.open()
    jobs = plan([photos], out)
    try:
        with opened(out) as manifest:
            yield from Dispatch(crew, manifest, calls or JobCallbacks(), [photos]).run(jobs)
    finally:
        crew.close()
        team.bury()


def statuses(outcomes: Iterator[Outcome]) -> dict[str, str]:
    return {outcome.source.name: outcome.status for outcome in outcomes}


def check(photos: Path, numbers: range) -> None:
    """Exactly these outputs are there, and each is in the manifest once."""
    out = photos.with_name("out")
    for number in numbers:
        made = np.asarray(Image.open(out / f"{number}.png"))
        np.testing.assert_array_equal(made, colours(number))
    assert len([*out.glob("*.png")]) == len(numbers)
    lines = [json.loads(line) for line in (out / NAME).read_text().splitlines()]
    assert sorted(line["output"] for line in lines) == [f"{number}.png" for number in numbers]


def test_workers_do_each_job_once(photos: Path, work: FolderWork) -> None:
    (photos / "0.png").write_bytes(b"no picture")
    found = statuses(run(photos, work, SmallPool(2)))
    assert found.pop("0.png") == "failed"
    assert set(found.values()) == {"done"}
    check(photos, range(1, COUNT))
    again = statuses(run(photos, work, SmallPool(2)))
    assert again.pop("0.png") == "failed"
    assert set(again.values()) == {"skipped"}
    check(photos, range(1, COUNT))


@pytest.mark.parametrize("method", ["prepare", "finish"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_killed_worker_loses_nothing(
    photos: Path, work: FolderWork, method: str, when: str
) -> None:
    calls = 0

    def third(called: str, first: Any) -> str:
        nonlocal calls
        calls += called == method
        return when if calls == 3 and called == method else ""

    team = SmallPool(2, third)
    assert set(statuses(run(photos, work, team)).values()) == {"done"}
    assert team.started == 3
    check(photos, range(COUNT))
    assert set(statuses(run(photos, work, SmallPool(1))).values()) == {"skipped"}
    assert not [*photos.with_name("out").glob(".*.part")]


def test_a_file_that_kills_workers_fails_alone(photos: Path, work: FolderWork) -> None:
    def dies(method: str, order: Any) -> str:
        return "before" if method == "prepare" and order.job.source.name == "0.png" else ""

    outcomes = {o.source.name: o for o in run(photos, work, SmallPool(1, dies))}
    reason = "3 workers have died with it, the last one of: was killed"
    assert outcomes.pop("0.png").reason == reason
    assert {outcome.status for outcome in outcomes.values()} == {"done"}
    check(photos, range(1, COUNT))


def test_workers_that_all_die_end_the_run(photos: Path, work: FolderWork) -> None:
    with pytest.raises(RestoreError, match="10 workers have died, the last one of: was killed"):
        list(run(photos, work, SmallPool(1, lambda method, first: "before")))


def test_stopping_finishes_what_is_written(photos: Path, work: FolderWork) -> None:
    stop = threading.Event()
    found: dict[str, str] = {}
    for outcome in run(photos, work, SmallPool(1), JobCallbacks(stop.is_set)):
        found[outcome.source.name] = outcome.status
        stop.set()
    assert set(found.values()) == {"done", "stopped"}
    assert len(found) == COUNT
    assert set(statuses(run(photos, work, SmallPool(1))).values()) <= {"done", "skipped"}
    check(photos, range(COUNT))


def test_folders_that_workers_cannot_see_are_named(photos: Path, work: FolderWork) -> None:
    blind = type("Blind", (FileWorker,), {"missing": lambda self, paths: paths[:1]})

    class Elsewhere(SmallPool):
        def start(self) -> Mortal:
            worker = super().start()
            worker._worker = blind()
            return worker

    with pytest.raises(RestoreError, match=r"out: cannot be seen from .* shared file system"):
        list(run(photos, work, Elsewhere(2)))
    assert not [*photos.with_name("out").glob("*.part")]


def test_a_model_that_is_not_there_is_named(photos: Path, tmp_path: Path) -> None:
    options = {"model": str(tmp_path / "none.safetensors")}
    work = FolderWork("denoise", options, IoOptions(), ClipOptions(), OutputPolicy())
    with pytest.raises(RestoreError, match=r"none\.safetensors"):
        list(run(photos, work, SmallPool(2)))


def test_the_files_of_a_dismissed_worker_are_restored_by_others(
    photos: Path, work: FolderWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong: list[FileWorker] = []

    def reports(worker: FileWorker) -> list[TileReport]:
        wrong[:] = wrong or [worker]
        if worker is wrong[0]:
            raise KeyError(3)
        return []

    monkeypatch.setattr(FileWorker, "reports", reports)
    monkeypatch.setattr(dispatch, "_ASK_EVERY", 0)
    found = statuses(run(photos, work, SmallPool(2)))
    assert wrong
    assert found == {f"{number}.png": "done" for number in range(COUNT)}
    check(photos, range(COUNT))
