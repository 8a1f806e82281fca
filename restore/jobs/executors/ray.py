"""Carry out a plan on a Ray cluster: each worker is an actor with a model of its own."""

from __future__ import annotations

import logging
import os
import re
import signal
import socket
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from restore.errors import RestoreError, UsageError, pip_install
from restore.jobs.crew import Crew, WorkerLost
from restore.jobs.dispatch import Dispatch
from restore.jobs.file_stages import JobCallbacks
from restore.jobs.file_worker import AT_ONCE, FileWorker
from restore.jobs.folder_callbacks import FolderCallbacks
from restore.jobs.folder_options import FolderOptions
from restore.jobs.folder_work import FolderWork
from restore.jobs.input_sizes import sizes_of_jobs
from restore.jobs.job_restorer import Used
from restore.jobs.job_table import Jobs
from restore.jobs.listing import fixed_part
from restore.jobs.manifest import Manifest
from restore.jobs.outcome import Outcome
from restore.jobs.routing import is_glob
from restore.jobs.worker_share import WorkerShare, share_nodes

_SETTINGS = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
"""Of a cluster that is started for a run: it reports nothing to Ray's makers, and its workers have
the priority of this process. On a busy machine, Ray's own low one had them wait for minutes."""
_PATIENCE = 10.0
"""Seconds to wait for an answer of a cluster."""


@contextmanager
def opened(
    work: FolderWork, how: FolderOptions, sources: Sequence[Path], calls: FolderCallbacks
) -> Iterator[RayExecutor]:
    """An `Opener`. Raises `RestoreError` where Ray is missing, or no cluster can be reached."""
    device = _refuse_useless(work, how)
    with connected(how.ray_address) as ray:
        share = share_nodes([node["Resources"] for node in _alive(ray)], how.workers, device)
        if how.workers is not None and share.count < how.workers and calls.notify is not None:
            calls.notify(f"the Ray cluster has room for {share.count} workers")
        options = {**work.options, "model": _absolute(work.options.get("model"))}
        if not share.gpus:
            options["device"] = "cpu"
        pool = RayPool(ray, share)
        with closing(Crew(pool, replace(work, options=options), calls)) as crew:
            crew.open()
            yield RayExecutor(crew, sources)


@dataclass(frozen=True)
class RayExecutor:
    """Restores files in the actors of a cluster."""

    crew: Crew
    sources: Sequence[Path]

    @property
    def used(self) -> Used:
        return self.crew.state.used

    def announce(self, jobs: Jobs) -> None:
        if self.crew.calls.notify is None:
            return
        sizes, times = sizes_of_jobs(jobs, self.crew.work.policy.overwrite)
        ready = next(hand for hand in self.crew.hands if hand.is_ready)
        with suppress(WorkerLost):
            asked = ready.worker.call("announce", sizes, times, self.crew.pool.count)
            for text in asked.result():
                self.crew.calls.notify(text)

    def run(self, jobs: Jobs, manifest: Manifest, calls: JobCallbacks) -> Iterator[Outcome]:
        folders = {Path(os.path.abspath(_folder_of(source))) for source in self.sources}
        yield from Dispatch(self.crew, manifest, calls, sorted(folders)).run(jobs)


class RayPool:
    """Starts actors, spread over the nodes."""

    def __init__(self, ray: Any, share: WorkerShare):
        self._ray = ray
        self.count, self.sharing = share.count, share.on_a_node
        # Ray sets it to the number of CPUs, unless it is set.
        threads = {n: os.environ[n] for n in ("OMP_NUM_THREADS",) if n in os.environ}
        self._actor = ray.remote(FileWorker).options(
            **({"runtime_env": {"env_vars": threads}} if threads else {}),
            num_cpus=share.cpus,
            num_gpus=share.gpus,
            max_concurrency=2 * AT_ONCE + 2,
            scheduling_strategy="SPREAD",
        )

    def start(self) -> RayWorker:
        return RayWorker(self._ray, self._actor.remote())


class RayWorker:
    """An actor."""

    def __init__(self, ray: Any, actor: Any):
        self._ray, self._actor = ray, actor

    def call(self, method: str, *arguments: Any) -> Future[Any]:
        answer: Future[Any] = Future()

        def settle(done: Future[Any]) -> None:
            error = done.exception()
            if error is None:
                answer.set_result(done.result())
            else:
                answer.set_exception(_plain(error))

        getattr(self._actor, method).remote(*arguments).future().add_done_callback(settle)
        return answer

    def end(self) -> None:
        self._ray.kill(self._actor)


def _plain(error: BaseException) -> BaseException:
    """Return the error of a method itself, or `WorkerLost` for an error of Ray's."""
    from ray.exceptions import RayError, RayTaskError

    if isinstance(error, RayTaskError):
        return error.cause
    if isinstance(error, RayError):
        text = re.sub("\x1b\\[[0-9;]*m", "", str(error))  # colours
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        for line in lines:
            if line.startswith("ModuleNotFoundError"):
                return WorkerLost(f"{line}; install maxim-restore on all nodes")
        return WorkerLost(f"{type(error).__name__}: {lines[0] if lines else ''}")
    return error


@contextmanager
def connected(address: str) -> Iterator[Any]:
    """Connect to a cluster, unless this process is connected, and provide Ray."""
    with _own_signals():
        try:
            import ray
        except ImportError:
            raise UsageError(f'executor="ray" requires Ray: {pip_install("ray")}') from None
        if ray.is_initialized():
            yield ray
            return
        for name, value in _SETTINGS.items():
            os.environ.setdefault(name, value)
        named = address or os.environ.get("RAY_ADDRESS", "")
        if named and (error := _unreachable(named)):
            raise RestoreError(f"{named}: no Ray cluster can be reached: {error}")
        try:
            ray.init(
                address or (None if named else _local()),
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
        except (ConnectionError, OSError, RuntimeError, ValueError) as error:
            place = address or os.environ.get("RAY_ADDRESS") or "this machine"
            why = str(error).strip().splitlines()[0]
            raise RestoreError(f"{place}: no Ray cluster can be reached: {why}") from error
    try:
        # Private, but the only way: Ray prints the ends of workers to stdout, among lines of JSON.
        ray._private.worker._worker_logs_enabled = False
        yield ray
    finally:
        ray.shutdown()


def _unreachable(address: str) -> OSError | OverflowError | None:
    """Return the error if nothing answers at "host:port", for which Ray waits minutes."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        return None
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE).close()
    except (OSError, OverflowError) as error:
        return error
    return None


def _local() -> str | None:
    """Return "local", which starts a cluster, where the one that Ray has noted for this machine is
    gone: it would be waited for without end. None leaves the choice to Ray."""
    from ray._private.utils import read_ray_address  # not public, but the note has no other reader

    noted = read_ray_address()
    return "local" if noted and _unreachable(noted) else None


@contextmanager
def _own_signals() -> Iterator[None]:
    """Keep the handler of SIGTERM, which Ray replaces when it is imported."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        with suppress(ValueError, TypeError):  # another thread, where Ray has replaced nothing
            signal.signal(signal.SIGTERM, before)


def _alive(ray: Any) -> list[Mapping[str, Any]]:
    return [node for node in ray.nodes() if node["Alive"]]


def _refuse_useless(work: FolderWork, how: FolderOptions) -> str:
    """Return the device. Raises `UsageError` for options that workers elsewhere have no use for."""
    if not isinstance(work.head, str):
        raise UsageError('executor="ray" loads a model in each worker; give the name of a head')
    if how.ray_address.startswith("ray://"):
        raise UsageError(
            f'ray_address is "{how.ray_address}", of Ray Client; submit a job to the cluster '
            "instead: ray job submit -- restore ..."
        )
    device = str(work.options.get("device", "auto"))
    if device not in ("auto", "cpu", "cuda"):
        raise UsageError(f'device is {device!r}; with executor="ray" use auto, cpu or cuda')
    return device


def _absolute(model: object) -> object:
    """Return a model's file by its full path: workers have another current folder."""
    return os.path.abspath(str(model)) if model and os.path.exists(str(model)) else model


def _folder_of(source: Path) -> Path:
    if is_glob(source):
        return fixed_part(source)
    return source if source.is_dir() else source.parent
