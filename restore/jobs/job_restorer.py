"""The restorer of a job: loaded, described, and its time announced."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np

from restore.errors import UsageError
from restore.jobs.outcome import DONE, Outcome
from restore.spelling import did_you_mean

if TYPE_CHECKING:
    from restore.engine.restorer import Restorer

    Head = str | Restorer

Notify = Callable[[str], object]


class Used(TypedDict):
    """Fields of `Outcome` that describe a restorer."""

    model: str
    device: str
    precision: str
    backend: str


def open_restorer(
    head: Head, options: Mapping[str, Any], workers: int = 1, processes: int = 1
) -> Restorer:
    """Return ``head`` if it is a `Restorer`, else load the head of this name with ``options``.

    Args:
        workers: threads that restore files at a time, in `shared_cores`, and share the memory.
        processes: processes of ``workers`` threads that share the memory, each with its own cores.

    Raises `UsageError` for an unknown option, and as `Restorer` does.
    """
    from restore.engine.restorer import Restorer

    if not isinstance(head, str):
        return head
    check_known(options)
    return Restorer(head, workers=workers * processes, **options)


def check_known(options: Mapping[str, Any]) -> None:
    """Raise `UsageError` for an option that `Restorer` does not have."""
    from inspect import signature

    from restore.engine.restorer import Restorer

    known = [name for name in signature(Restorer).parameters if name not in ("task", "workers")]
    for name in options:
        if name not in known:
            raise UsageError(f"there is no option {name!r}{did_you_mean(name, known)}")


@contextmanager
def shared_cores(head: Head, options: Mapping[str, Any], workers: int) -> Iterator[None]:
    """Give each of several ``workers`` its part of the CPU's cores while the context is open."""
    from restore.engine.backend import ONNXRUNTIME, TORCH
    from restore.engine.threads import shared_out

    backend = options.get("backend", TORCH) if isinstance(head, str) else head.backend.name
    own_threads = workers > 1 and backend != ONNXRUNTIME  # whose calls share one set of threads
    with shared_out(workers) if own_threads else nullcontext():
        yield


def used(restorer: Restorer) -> Used:
    """Describe a restorer in an `Outcome`."""
    compute = restorer.compute
    return {
        "model": restorer.card.name,
        "device": str(compute.device),
        "precision": compute.precision,
        "backend": restorer.backend.name,
    }


def with_borders(outcome: Outcome, restorer: Restorer) -> Outcome:
    """Add where the tiles of a restored picture meet, for an image of its size in 8 bits."""
    if outcome.status != DONE or outcome.frames != 1:
        return outcome
    rows, columns = restorer.borders(np.broadcast_to(np.uint8(0), (*outcome.size, 3)))
    return replace(outcome, borders=(tuple(rows), tuple(columns)))


def stamp_of(restorer: Restorer, strength: float | None = None) -> str:
    """Describe a restoration for the history of a file; ``strength`` replaces the restorer's."""
    parts = (
        restorer.task,
        f"model {restorer.card.name}",
        f"SHA-256 {restorer.card.sha256}",
        f"strength {restorer.strength if strength is None else strength:g}",
    )
    return "; ".join(parts)


def announce(
    restorer: Restorer,
    sizes: Iterable[tuple[int, int]],
    notify: Notify | None,
    times: float = 1,
    workers: int = 1,
) -> None:
    """Tell ``notify`` how long pictures of these (height, width), all of them ``times`` times, take
    if it is more than a minute."""
    if notify is None:
        return
    from restore.engine.estimate import estimate

    expected = estimate(restorer, sizes, times=times, workers=workers)
    if expected is not None:
        notify(expected.sentence('quality="fast"'))
