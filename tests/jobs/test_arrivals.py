from __future__ import annotations

import os
from pathlib import Path

from restore.jobs.arrivals import settled
from restore.jobs.folder_plan import Job


def test_pictures_are_given_once_when_they_have_settled(tmp_path: Path) -> None:
    log: list[list[str]] = []
    step = 0

    def write(name: str, size: int, time: int) -> None:
        (tmp_path / name).write_bytes(b"x" * size)
        os.utime(tmp_path / name, (time, time))

    def happen() -> None:
        nonlocal step
        step += 1
        if step == 1:
            write("a", 1, 1)
        if step <= 4:
            write("grows", step, 1)
        if step == 6:
            write("b", 1, 1)
            write("gone", 1, 1)
        if step == 8:
            write("a", 1, 2)  # taken again

    def look() -> list[Job]:
        happen()
        jobs = [Job(path, Path("out")) for path in sorted(tmp_path.iterdir())]
        if step == 6:
            (tmp_path / "gone").unlink()
        return jobs

    paused = 0

    def pause() -> None:
        nonlocal paused
        paused += 1

    for jobs in settled(look, pause, should_stop=lambda: step >= 12):
        log.append([job.source.name for job in jobs])
    assert log == [["a"], ["grows"], ["b"], ["a"]]
    assert paused == step  # after every look: what is found the same has been so for a while


def test_it_pauses_only_when_there_is_nothing_to_do_and_ends_when_told(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    pauses = 0

    def pause() -> None:
        nonlocal pauses
        pauses += 1

    rounds = settled(lambda: [Job(tmp_path / "a", Path("out"))], pause, lambda: pauses >= 3)
    assert len(list(rounds)) == 1
    assert pauses == 3
