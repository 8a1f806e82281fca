"""`restore bench folder --shards N` and `--executor ray`: the efficiency of several workers."""

import os
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from restore.cli.console import Reporter
from restore.engine.threads import usable_cpus
from restore.errors import UsageError
from restore.jobs.executors import LOCAL, opener

if TYPE_CHECKING:
    from restore.benchmark.folder_scaling import Run
    from restore.jobs.outcome import Outcome

ROUNDS = 3


def scaling(
    task: str,
    options: dict[str, Any],
    workers: int,
    executor: str,
    address: str,
    pictures: int,
    shape: tuple[int, int],
    ending: str,
    reporter: Reporter,
) -> None:
    """Measure and print. ``options``: model, device and precision."""
    from restore.benchmark import folder_scaling

    opener(executor)  # complains of a name that there is not
    if workers < 2:
        raise UsageError("efficiency is that of two workers or more")
    threads = str(max(1, usable_cpus() // workers))
    os.environ["OMP_NUM_THREADS"] = threads  # of each worker, in either way
    if executor == LOCAL:
        held: Any = nullcontext()
        runs = _by_shards(task, options, 1), _by_shards(task, options, workers)
    else:
        from restore.jobs.executors.ray import connected

        held, how = connected(address), (task, options, executor, workers)
        runs = _by_executor(task, options, executor, 1), _by_executor(*how)
    each = max(4, pictures // workers)
    with held, reporter.progress("rounds") as progress:
        found = folder_scaling.measure(*runs, workers, each, shape, ending, ROUNDS, progress)
    reporter.result(
        f"{workers} workers with {threads} threads each: {found.together:.2f} pictures/s, "
        f"{found.efficiency:.2f} of {workers} x one worker's {found.one:.2f} "
        f"(medians of {ROUNDS} rounds, {each} pictures a worker, {executor})",
        **asdict(found),
        efficiency=found.efficiency,
        executor=executor,
        threads=int(threads),
    )


def _by_shards(task: str, options: dict[str, Any], count: int) -> "Run":
    from restore.cli.several import run_processes

    def run(source: Path, target: Path, on_outcome: "Callable[[Outcome], object]") -> None:
        words = [task, str(source), str(target), *_words(options)]
        run_processes(count, {**options, "shard": ""}, on_outcome, lambda: 0, words)

    return run


def _by_executor(task: str, options: dict[str, Any], executor: str, count: int) -> "Run":
    from restore.jobs.folder_job import restore_folder

    def run(source: Path, target: Path, on_outcome: "Callable[[Outcome], object]") -> None:
        given = {**options, "executor": executor, "workers": count}
        restore_folder(source, target, task, on_outcome=on_outcome, keep_files=False, **given)

    return run


def _words(options: dict[str, Any]) -> Sequence[str]:
    given = {name: value for name, value in options.items() if value is not None}
    return [word for name, value in given.items() for word in (f"--{name}", str(value))]
