"""Batches of real files, with something quicker than a network in the middle."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pictures import saved
from PIL import Image

from restore.errors import RestoreError
from restore.jobs.executors.local import run
from restore.jobs.file_stages import JobCallbacks, OutputPolicy, Stages
from restore.jobs.folder_plan import plan
from restore.jobs.manifest import LOCK, NAME, opened
from restore.jobs.outcome import Outcome
from restore.media.io_options import IoOptions

HARNESS = Path(__file__).parents[2] / "support" / "folder_harness.py"
Report = Callable[[int, int], None]


def colours(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (24, 32, 3), np.uint8)


def invert(pixels: np.ndarray, report: Report) -> np.ndarray:
    return 255 - pixels


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for i in range(5):
        folder = tmp_path / "photos" / ("odd" if i % 2 else "")
        folder.mkdir(parents=True, exist_ok=True)
        saved(folder / f"{i}.png", colours(i))
    return tmp_path / "photos"


def batch(photos: Path, work: Callable[..., np.ndarray] = invert, **options: Any) -> list[Outcome]:
    out = photos.with_name("out")
    key, workers = options.pop("key", {"model": "inverse"}), options.pop("workers", 1)
    jobs = plan([photos], out, recursive=True)
    with opened(out) as manifest:
        return list(run(jobs, Stages(work, manifest, key, **options), workers))


def statuses(outcomes: list[Outcome]) -> dict[str, str]:
    return {outcome.source.name: outcome.status for outcome in outcomes}


def check(photos: Path, numbers: range | list[int]) -> None:
    """Exactly these outputs are there, whole and right, and nothing else."""
    out = photos.with_name("out")
    for i in numbers:
        path = out / ("odd" if i % 2 else "") / f"{i}.png"
        np.testing.assert_array_equal(np.asarray(Image.open(path)), 255 - colours(i))
    files = {path.name for path in out.rglob("*") if path.is_file()}
    assert files - {NAME, LOCK} == {f"{i}.png" for i in numbers}


def test_every_picture_is_restored_once(photos: Path) -> None:
    first = batch(photos)
    assert [outcome.status for outcome in first] == ["done"] * 5
    assert first[0].megapixels == pytest.approx(24 * 32 / 1e6)
    check(photos, range(5))
    assert set(statuses(batch(photos)).values()) == {"skipped"}


def test_the_output_may_be_reached_through_a_link(photos: Path) -> None:
    real = photos.with_name("elsewhere")
    real.mkdir()
    photos.with_name("out").symlink_to(real)
    assert [outcome.status for outcome in batch(photos)] == ["done"] * 5
    assert set(statuses(batch(photos)).values()) == {"skipped"}
    check(photos, range(5))


def test_a_changed_input_model_or_output_is_done_again(photos: Path) -> None:
    batch(photos)
    saved(photos / "2.png", colours(7))
    assert statuses(batch(photos))["2.png"] == "done"
    out = photos.with_name("out")
    np.testing.assert_array_equal(np.asarray(Image.open(out / "2.png")), 255 - colours(7))
    again = batch(photos, key={"model": "another"})
    assert {outcome.status for outcome in again} == {"done"}
    (out / "4.png").unlink()
    last = statuses(batch(photos, key={"model": "another"}))
    assert [name for name, status in last.items() if status == "done"] == ["4.png"]


def test_keeps_outputs_that_no_run_has_made(photos: Path) -> None:
    out = photos.with_name("out")
    out.mkdir()
    mine = saved(out / "0.png", colours(9))
    (outcome,) = [o for o in batch(photos) if o.status != "done"]
    assert outcome.reason == f"{mine}: exists already; give overwrite=True to replace it"
    assert np.array_equal(np.asarray(Image.open(mine)), colours(9))
    assert statuses(batch(photos, policy=OutputPolicy(skip_existing=True)))["0.png"] == "skipped"
    assert statuses(batch(photos, policy=OutputPolicy(overwrite=True)))["0.png"] == "done"
    check(photos, range(5))
    # Retouched by hand afterwards, it is the user's again.
    saved(mine, colours(9))
    assert statuses(batch(photos))["0.png"] == "failed"


def test_a_failure_leaves_other_pictures_alone(photos: Path) -> None:
    (photos / "0.png").write_bytes(b"no picture")
    (photos / "2.png").write_bytes((photos / "2.png").read_bytes()[:100])

    def fail(pixels: np.ndarray, report: Report) -> np.ndarray:
        if np.array_equal(pixels, colours(3)):
            raise RestoreError("no memory for this one")
        return 255 - pixels

    outcomes = {o.source.name: o for o in batch(photos, fail)}
    assert outcomes["0.png"].reason == "not a picture in a format that can be read"
    assert outcomes["2.png"].status == "failed"
    assert outcomes["3.png"].reason == "no memory for this one"
    check(photos, [1, 4])


def test_an_input_that_vanishes_is_a_failure(photos: Path) -> None:
    def vanish(pixels: np.ndarray, report: Report) -> np.ndarray:
        (photos / "odd" / "3.png").unlink(missing_ok=True)
        return 255 - pixels

    outcomes = batch(photos, vanish)
    assert outcomes[-1].source.name == "3.png"  # those before may have been read already
    assert outcomes[-1].reason == "No such file or directory"
    check(photos, [0, 1, 2, 4])


def test_an_unexpected_error_leaves_other_pictures_alone(photos: Path) -> None:
    def broken(pixels: np.ndarray, report: Report) -> np.ndarray:
        if np.array_equal(pixels, colours(2)):
            raise ZeroDivisionError("by zero")
        return 255 - pixels

    outcomes = {o.source.name: o for o in batch(photos, broken)}
    assert outcomes["2.png"].reason == "ZeroDivisionError: by zero"
    check(photos, [0, 1, 3, 4])


def test_keeps_outputs_that_appear_during_the_run(photos: Path) -> None:
    out = photos.with_name("out")

    def meanwhile(pixels: np.ndarray, report: Report) -> np.ndarray:
        if np.array_equal(pixels, colours(2)):
            saved(out / "2.png", colours(9))
        return 255 - pixels

    outcomes = {o.source.name: o for o in batch(photos, meanwhile)}
    assert "has appeared meanwhile" in outcomes["2.png"].reason
    np.testing.assert_array_equal(np.asarray(Image.open(out / "2.png")), colours(9))


def test_an_unknown_format_is_refused_before_any_work(photos: Path) -> None:
    (photos / "2.png").rename(photos / "2.xyz")
    out = photos.with_name("out")
    with opened(out) as manifest:
        jobs = plan([photos / "2.xyz"], out)
        (outcome,) = run(jobs, Stages(pytest.fail, manifest, {}))  # type: ignore[arg-type]
    assert "unknown output format '.xyz'" in outcome.reason


def test_a_failure_elsewhere_names_the_place(photos: Path) -> None:
    out = photos.with_name("out")
    out.mkdir()
    (out / "odd").write_text("a file where a folder should be")
    outcomes = {o.source.name: o for o in batch(photos)}
    assert outcomes["1.png"].reason.startswith(f"{out / 'odd'}: ")


def test_stopping_drops_the_picture_that_is_being_restored(photos: Path) -> None:
    stop = threading.Event()

    def work(pixels: np.ndarray, report: Report) -> np.ndarray:
        if np.array_equal(pixels, colours(2)):
            stop.set()
        report(1, 2)
        return 255 - pixels

    outcomes = statuses(batch(photos, work, calls=JobCallbacks(stop.is_set)))
    assert "stopped" in outcomes.values()
    assert "failed" not in outcomes.values()
    check(photos, [int(n[0]) for n, status in outcomes.items() if status == "done"])
    assert set(statuses(batch(photos)).values()) <= {"done", "skipped"}
    check(photos, range(5))


def test_workers_restore_pictures_at_the_same_time(photos: Path) -> None:
    meeting = threading.Barrier(2, timeout=10)

    def meet(pixels: np.ndarray, report: Report) -> np.ndarray:
        if not np.array_equal(pixels, colours(4)):  # the fifth meets no other
            meeting.wait()
        return 255 - pixels

    saved(photos / "0.png", colours(0))
    outcomes = batch(photos, meet, workers=2)
    assert {outcome.status for outcome in outcomes} == {"done"}
    check(photos, range(5))


@pytest.mark.slow
def test_thirty_kills_lose_nothing_and_nothing_is_done_twice(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for i in range(0, 200, 2):
        saved(photos / f"{i}.png", colours(i))
    chance = random.Random(1)
    out = tmp_path / "out"
    for _ in range(30):
        process = subprocess.Popen([sys.executable, HARNESS, photos, out])
        log = out.with_suffix(".log")
        size, give_up = log.stat().st_size if log.exists() else 0, time.monotonic() + 30
        while time.monotonic() < give_up and process.poll() is None:
            if log.exists() and log.stat().st_size > size:  # it is at work
                break
            time.sleep(0.005)
        time.sleep(chance.uniform(0, 0.1))
        process.kill()
        process.wait()
    assert subprocess.run([sys.executable, HARNESS, photos, out], check=False).returncode == 0
    check(photos, list(range(0, 200, 2)))
    lines = (out / NAME).read_text().splitlines()
    assert len(lines) == 100  # one each: none was done twice


def by_rows(pixels: Any, into: Any, progress: Report) -> None:
    for top in range(0, len(pixels), 10):
        progress(top, len(pixels))
        rows = slice(top, min(top + 10, len(pixels)))
        into[rows] = 255 - pixels[rows]


def whole(pixels: np.ndarray, report: Report) -> np.ndarray:
    raise AssertionError("was to go by rows")


LARGE: dict[str, Any] = {
    "by_rows": by_rows,
    "above": 100,
    "open_picture": partial(IoOptions().read, above=100),
}


@pytest.mark.parametrize("workers", [1, 3])
def test_large_pictures_go_by_rows(photos: Path, workers: int) -> None:
    first = batch(photos, whole, workers=workers, **LARGE)
    assert [outcome.status for outcome in first] == ["done"] * 5
    assert all(outcome.seconds > 0 for outcome in first)
    check(photos, range(5))
    assert set(statuses(batch(photos, whole, **LARGE)).values()) == {"skipped"}


def test_a_large_picture_that_fails_fails_alone(photos: Path) -> None:
    out = photos.with_name("out")

    def broken(pixels: Any, into: Any, progress: Report) -> None:
        into[slice(0, 10)] = pixels[:10]
        if np.array_equal(pixels[:10], colours(2)[:10]):
            raise ZeroDivisionError("by zero")
        if np.array_equal(pixels[:10], colours(4)[:10]):
            saved(out / "4.png", colours(9))
        by_rows(pixels, into, progress)

    outcomes = {o.source.name: o for o in batch(photos, whole, **LARGE | {"by_rows": broken})}
    assert outcomes["2.png"].reason == "ZeroDivisionError: by zero"
    assert "has appeared meanwhile" in outcomes["4.png"].reason
    np.testing.assert_array_equal(np.asarray(Image.open(out / "4.png")), colours(9))
    (out / "4.png").unlink()
    check(photos, [0, 1, 3])


def test_a_large_picture_is_dropped_when_the_run_stops(photos: Path) -> None:
    begun = threading.Event()

    def watched(pixels: Any, into: Any, progress: Report) -> None:
        into[slice(0, 10)] = pixels[:10]
        begun.set()
        by_rows(pixels, into, progress)

    options = LARGE | {"by_rows": watched, "calls": JobCallbacks(begun.is_set)}
    assert set(statuses(batch(photos, whole, **options)).values()) == {"stopped"}
    check(photos, [])
