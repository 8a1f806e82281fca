"""Results in one ZIP file, made while it is sent."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import IO, cast

from restore.serve.served_job import ServedJob
from restore.serve.uploads import CHUNK


class _Outgoing:
    """A stream that holds what was written until it is taken."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        pass

    def take(self) -> bytes:
        taken, self._parts = b"".join(self._parts), []
        return taken


def zipped(jobs: Iterable[ServedJob]) -> Iterator[bytes]:
    """Yield a ZIP file of the results, stored without compression.

    Names that stand twice in a folder get numbers. Results that have been removed in the meantime
    are left out.
    """
    out, used = _Outgoing(), set[str]()
    with zipfile.ZipFile(cast(IO[bytes], out), "w") as archive:
        for job in jobs:
            try:
                file = open(job.target, "rb")  # noqa: SIM115  # closed below
            except OSError:
                continue
            name = free_name(job.result_path, used)
            with file, archive.open(name, "w", force_zip64=True) as entry:
                while chunk := file.read(CHUNK):
                    entry.write(chunk)
                    yield out.take()
    yield out.take()


def free_name(path: PurePosixPath, used: set[str]) -> str:
    """Return a path, or the same with a number where it is used; add it to ``used``."""
    free, number = path, 2
    while str(free).lower() in used:
        free, number = path.with_name(f"{path.stem}-{number}{path.suffix}"), number + 1
    used.add(str(free).lower())
    return str(free)
