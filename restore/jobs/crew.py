"""Workers of a folder run: started, compared, replaced."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Protocol

from restore.errors import RestoreError
from restore.jobs.executors import StoppedError
from restore.jobs.file_worker import Order, WorkerState
from restore.jobs.folder_callbacks import FolderCallbacks
from restore.jobs.folder_work import FolderWork
from restore.jobs.job_table import Job
from restore.version import __version__

if TYPE_CHECKING:
    from restore.jobs.manifest_line import ManifestLine

_TICK = 0.2
"""Seconds between two looks at a signal."""
_PATIENCE = 30.0
"""Seconds without a worker after which a person is told."""
_DEATHS = 3
"""Deaths for each worker, without one file finished between them, that end a run."""


class WorkerLost(Exception):  # noqa: N818 - the error is the file's or the run's
    """A worker has died, or cannot be reached. Says why."""


class WorkerHandle(Protocol):
    """A `restore.jobs.file_worker.FileWorker` in another process."""

    def call(self, method: str, *arguments: Any) -> Future[Any]:
        """Call a method. The future raises `WorkerLost`, or the error of the method."""
        ...

    def end(self) -> None:
        """Kill it."""
        ...


class Pool(Protocol):
    """Place where workers run.

    ``count``: workers that it has room for.
    ``sharing``: most of these on one machine.
    """

    count: int
    sharing: int

    def start(self) -> WorkerHandle:
        """Begin to start a worker. Its calls wait until it has started."""
        ...


@dataclass
class Assignment:
    """``deaths``: of workers that had the job. ``line``: once the output is recorded."""

    job: Job
    order: Order
    deaths: int = 0
    line: ManifestLine | None = None


@dataclass(eq=False)
class Hand:
    """A worker as its driver knows it.

    ``is_ready``: its model is loaded. ``sees``: whether it has the folders; None if not known.
    """

    worker: WorkerHandle
    node: str = ""
    is_ready: bool = False
    has_reloaded: bool = False
    sees: bool | None = None
    is_asked: bool = False
    assignments: dict[int, Assignment] = field(default_factory=dict)


class Crew:
    """All workers of a run. ``on_loss`` is called with each one that has died or been dismissed,
    and the reason."""

    def __init__(self, pool: Pool, work: FolderWork, calls: FolderCallbacks):
        self.pool, self.work, self.calls = pool, work, calls
        self.hands: list[Hand] = []
        self.on_loss: Callable[[Hand, str], object] = lambda hand, why: None
        self._events: SimpleQueue[tuple[Hand, Future[Any], Any, Any]] = SimpleQueue()
        self._state: WorkerState | None = None
        self._deaths = 0
        self._said: set[str] = set()
        self._idle_since = time.monotonic()

    @property
    def state(self) -> WorkerState:
        """Of all workers: their results are the same."""
        assert self._state is not None, "open comes first"
        return self._state

    def open(self) -> None:
        """Start all workers and wait for the first one. Raises `RestoreError`, and `StoppedError`
        when ``should_stop`` comes first."""
        for _ in range(self.pool.count):
            self._hire()
        while self._state is None:
            self.handle()
            if self.calls.should_stop():
                raise StoppedError("stopped before a worker had started")

    def close(self) -> None:
        """Kill all workers."""
        while self.hands:
            self.hands.pop().worker.end()

    def ask(
        self,
        hand: Hand,
        method: str,
        *arguments: Any,
        then: Callable[[Any], object],
        otherwise: Callable[[Exception], object] | None = None,
    ) -> None:
        """Call a method of a worker. `handle` calls ``then`` with its result, or ``otherwise`` with
        its error, by default to go on without this worker."""
        future = hand.worker.call(method, *arguments)
        event = hand, then, otherwise or partial(self.dismiss, hand)
        future.add_done_callback(lambda done: self._events.put((event[0], done, *event[1:])))

    def handle(self) -> None:
        """Wait a moment for an answer, and act on it. Raises `RestoreError` if no worker is left,
        or all die."""
        self._complain()
        try:
            hand, future, then, otherwise = self._events.get(timeout=_TICK)
        except Empty:
            return
        if hand not in self.hands:  # given up
            return
        try:
            result = future.result()
        except WorkerLost as error:
            self._lose(hand, str(error))
        except Exception as error:  # noqa: BLE001 - of the worker, to be judged by ``otherwise``
            otherwise(error)
        else:
            then(result)

    def dismiss(self, hand: Hand, error: Exception) -> None:
        """Go on without a worker that cannot restore anything; others get its files. Raises
        ``error`` if it was the last one."""
        self.hands.remove(hand)
        hand.worker.end()
        if not self.hands:
            raise error if isinstance(error, RestoreError) else RestoreError(_in_a_line(error))
        self.on_loss(hand, _in_a_line(error))
        self._say(f"{hand.node or 'a worker'} is left out: {_in_a_line(error)}")

    def thrive(self) -> None:
        """Take note that a file is finished."""
        self._deaths = 0

    def _hire(self) -> None:
        hand = Hand(self.pool.start())
        self.hands.append(hand)
        self._load(hand)

    def _load(self, hand: Hand) -> None:
        then = partial(self._loaded, hand)
        self.ask(hand, "load", self.work, self.pool.sharing, then=then)

    def _loaded(self, hand: Hand, state: WorkerState) -> None:
        hand.node = state.node
        if state.version != __version__:
            has = f"{state.node} has version {state.version}, and this is {__version__}"
            self.dismiss(hand, RestoreError(f"{has}; install the same on all nodes"))
            return
        if self._state is None:
            # Precision "auto" is that of the first worker, so that all results are equal.
            options = {**self.work.options, "precision": state.used["precision"]}
            self._state, self.work = state, replace(self.work, options=options)
        if state.key == self._state.key:
            hand.is_ready = True
        elif not hand.has_reloaded:
            hand.has_reloaded = True
            self._load(hand)
        else:
            why = f"{state.node} has another model, or cannot compute as the others"
            self.dismiss(hand, RestoreError(why))

    def _lose(self, hand: Hand, why: str) -> None:
        self.hands.remove(hand)
        hand.worker.end()
        self._deaths += 1
        if self._deaths > _DEATHS * max(self.pool.count, _DEATHS):
            raise RestoreError(f"{self._deaths} workers have died, the last one of: {why}")
        self.on_loss(hand, why)
        self._hire()

    def _complain(self) -> None:
        now = time.monotonic()
        if any(hand.is_ready for hand in self.hands):
            self._idle_since = now
        elif now - self._idle_since > _PATIENCE:
            self._say(
                f"no worker has started for {_PATIENCE:.0f} s: the cluster is busy or has no room"
            )

    def _say(self, text: str) -> None:
        if self.calls.notify is not None and text not in self._said:
            self._said.add(text)
            self.calls.notify(text)


def _in_a_line(error: Exception) -> str:
    text = str(error) if isinstance(error, RestoreError) else f"{type(error).__name__}: {error}"
    return " ".join(text.split())
