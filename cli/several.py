"""`--devices N`: the shards of a folder run as processes of one machine."""

import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, Queue
from threading import Thread
from typing import Any

from restore.cli.request import Request
from restore.cli.shard_processes import (
    keep_errors,
    part_of_shard,
    read_outcomes,
    shared_words,
    start,
)
from restore.cli.tally import Tally
from restore.errors import RestoreError, UsageError
from restore.jobs.executors import LOCAL
from restore.jobs.folder_job import restore_folder
from restore.jobs.outcome import Outcome
from restore.jobs.shard import parse_shard

_LOOK_EVERY = 0.2
"""Seconds between two looks for a signal."""


def run(
    request: Request,
    options: dict[str, Any],
    calls: dict[str, Any],
    tally: Tally,
    signalled: Callable[[], int],
) -> None:
    """Check the plan once, and restore in several processes."""
    if request.report is not None or request.folders["watch"]:
        raise UsageError("--report and --watch are for one process; leave out --devices")
    if request.folders["executor"] != LOCAL:
        raise UsageError("--executor chooses where files are restored; leave out --devices")
    planned = {"dry_run": True, "keep_files": False, "progress": None, "on_outcome": tally.plan}
    dry = {**options, **request.restorer, **calls, **planned}
    restore_folder(request.sources, request.target, request.head, **dry)
    given = {**request.given, "shard": request.folders["shard"]}
    run_processes(request.devices, given, calls["on_outcome"], signalled)


def run_processes(
    count: int,
    given: dict[str, Any],
    on_outcome: Callable[[Outcome], object],
    signalled: Callable[[], int],
    arguments: Sequence[str] | None = None,
) -> None:
    """Run this command as ``count`` processes, each with its share of the files.

    The processes use one GPU each where there are GPUs, and share the CPU's cores elsewhere.

    Args:
        given: options of the command by their names in Python.
        signalled: returns the number of a signal that is to be passed on, or 0.
        arguments: words of the command, by default those of this process.

    Raises:
        UsageError: for options that several processes have no use for.
        RestoreError: if a process ends early, once all have ended.
    """
    if given.get("device", "auto") not in ("auto", "cpu", "cuda"):
        raise UsageError(f"device is {given['device']!r}, but devices={count} chooses one for each")
    words = list(shared_words(sys.argv[1:] if arguments is None else arguments))
    shards = [part_of_shard(parse_shard(given["shard"]), number, count) for number in range(count)]
    found: Queue[Outcome | None] = Queue()
    processes = [start(words, shard, number, count) for number, shard in enumerate(shards)]
    errors: list[list[str]] = [[] for _ in processes]
    for process, lines in zip(processes, errors, strict=True):
        Thread(target=read_outcomes, args=(process, found), daemon=True).start()
        Thread(target=keep_errors, args=(process, lines), daemon=True).start()
    running, passed_on = count, False
    while running:
        with suppress(Empty):
            outcome = found.get(timeout=_LOOK_EVERY)
            if outcome is None:
                running -= 1
            else:
                on_outcome(outcome)
        if signalled() and not passed_on:
            passed_on = True
            for process in processes:
                process.send_signal(signalled())
    codes = [process.wait() for process in processes]
    for code, lines, shard in zip(codes, errors, shards, strict=True):
        ended = lines[-1].startswith("error: ") if lines else False
        if (ended or code not in (0, 1)) and not signalled():  # 1 is also that of failed files
            why = lines[-1].removeprefix("error: ") if lines else f"exit status {code}"
            raise RestoreError(f"shard {shard.index}/{shard.count} has ended: {why}")
