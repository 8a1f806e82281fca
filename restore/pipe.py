"""Stages that work at the same time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def piped(
    items: Iterable[T],
    work: Callable[[T], R],
    threads: int,
    ahead: int,
    at_once: Callable[[T], R | None] = lambda item: None,
) -> Generator[R, None, None]:
    """``work`` of every item, in order, in that many threads, begun for ``ahead`` items more than
    have been asked for.

    Stages of this kind, one fed by the other, work at the same time and hold a bounded number of
    items. When the caller stops early, what has begun is waited for and the rest is dropped.

    ``at_once`` returns the result of an item that requires no thread: to hand it to one and back
    costs more than a rerun's look at an unchanged file.
    """
    pending: deque[Future[R]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                result = at_once(item)
                if result is not None and not pending:
                    yield result
                    continue
                pending.append(pool.submit(work, item) if result is None else _finished(result))
                while len(pending) > ahead:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _finished(result: R) -> Future[R]:
    future: Future[R] = Future()
    future.set_result(result)
    return future
