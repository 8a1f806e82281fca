"""Processes that restore shards, and their outcomes."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from queue import Queue

from restore.engine.threads import usable_cpus
from restore.jobs.object_store import as_path
from restore.jobs.outcome import Outcome
from restore.jobs.shard import Shard

_WITH_VALUE = ("--devices", "--shard")
_FLAGS = ("--json", "--quiet", "-q")
_END = "--"
"""After it, all words are names of files."""


def shared_words(arguments: Sequence[str]) -> Iterator[str]:
    """Yield the words of a command without the options that each process gets for itself."""
    words = iter(arguments)
    for word in words:
        if word == _END:
            yield word
            yield from words
        elif word in _WITH_VALUE:
            next(words, None)
        elif word.partition("=")[0] not in _WITH_VALUE and word not in _FLAGS:
            yield word


def part_of_shard(shard: Shard, number: int, count: int) -> Shard:
    return Shard((shard.index - 1) * count + number + 1, shard.count * count)


def start(words: list[str], shard: Shard, number: int, count: int) -> "subprocess.Popen[str]":
    own = ["--shard", f"{shard.index}/{shard.count}", "--json", "--quiet"]
    end = words.index(_END) if _END in words else len(words)
    environment = dict(os.environ)
    if gpus := visible_gpus(environment):
        environment["CUDA_VISIBLE_DEVICES"] = gpus[number % len(gpus)]
    environment.setdefault("OMP_NUM_THREADS", str(max(1, usable_cpus() // count)))
    return subprocess.Popen(
        [sys.executable, "-m", "restore.cli", *words[:end], *own, *words[end:]],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,  # a terminal's Ctrl-C comes once, from this process
    )


def visible_gpus(environment: Mapping[str, str]) -> list[str]:
    """Return the names of the GPUs that this process may use."""
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [name for name in visible.split(",") if name]
    driver = Path("/proc/driver/nvidia/gpus")
    return [str(number) for number in range(len([*driver.iterdir()]))] if driver.is_dir() else []


def read_outcomes(process: "subprocess.Popen[str]", found: "Queue[Outcome | None]") -> None:
    """Put the outcomes that a process prints into ``found``, and None once it has ended."""
    assert process.stdout is not None
    for line in process.stdout:
        if outcome := _outcome(line):
            found.put(outcome)
    found.put(None)


def _outcome(line: str) -> Outcome | None:
    """Return the outcome in a line; None for a line of another kind, as a library may print."""
    try:
        row = json.loads(line)
        return Outcome(
            as_path(row["input"]),
            as_path(row["output"]),
            row["status"],
            row["reason"],
            tuple(row["notes"]),
            (1, round(row["megapixels"] * 1e6)),
            seconds=row["seconds"],
        )
    except (ValueError, TypeError, KeyError):
        return None


def keep_errors(process: "subprocess.Popen[str]", lines: list[str]) -> None:
    assert process.stderr is not None
    lines.extend(line.strip() for line in process.stderr if line.strip())
