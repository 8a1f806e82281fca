"""Participants of an evaluation: a model, classical methods, the input itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from restore.checkpoints import store
from restore.errors import ModelNotFoundError, UsageError
from restore.evaluate.classical import methods_of
from restore.evaluate.report import Subject, to_uint8

INPUT = "input"


def choose(
    task: str,
    model: str | Path | None = None,
    *,
    quality: str | None = None,
    methods: bool = False,
    input_itself: bool = False,
    say: Callable[[str], object] = lambda note: None,
    **options: Any,
) -> list[Subject]:
    """Return a model of the task, by name or ``quality``, then the requested classical methods and
    the input itself.

    ``options`` are those of `Restorer`. If no model is named and none is installed, only the others
    are returned, and ``say`` gets a sentence. Raises as `Restorer` does, and `UsageError` for a
    model with the name of a method.
    """
    others = [Subject(m.name, m.how, _on_uint8(m)) for m in (methods_of(task) if methods else [])]
    if input_itself:
        others.append(Subject(INPUT, "the degraded picture as it is", to_uint8))
    try:
        found = store.find(task, model, quality).path
    except ModelNotFoundError as error:
        if model is not None or quality is not None or not others:
            raise
        say(f"without a model: {error}")
        return others
    subject = model_subject(task, found, **options)
    if subject.name in {other.name for other in others}:
        raise UsageError(f"the model and a method are both called {subject.name}; rename the model")
    return [subject, *others]


def model_subject(task: str, model: str | Path, **options: Any) -> Subject:
    """Return one model as a subject; ``options`` and errors are those of `Restorer`."""
    from restore.engine.restorer import Restorer  # torch, which the classical methods do without

    restorer = Restorer(task, model, **options)
    compute = restorer.compute
    tile = options.get("tile", "auto")
    how = f"MAXIM {restorer.card.variant}, {compute.device} {compute.precision}, tile {tile}"
    return Subject(restorer.card.name, how, restorer)


def _on_uint8(method: Callable[..., Any]) -> Callable[..., Any]:
    return lambda image: method(to_uint8(image))
