"""Participants of an evaluation: a model, classical methods, the input itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from restore.checkpoints import store
from restore.errors import ModelNotFoundError, UsageError
from restore.evaluate.classical import methods_of
from restore.evaluate.report import Subject, to_uint8

if TYPE_CHECKING:
    from restore.engine.restorer import Restorer

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
    return Subject(restorer.card.name, how_restored(restorer), restorer)


def how_restored(restorer: Restorer) -> str:
    """Return the network, where it runs, and all options that change its results, in one line."""
    from restore.engine.tile_options import UNLIMITED

    compute, tiles = restorer.compute, restorer.tiles
    parts = [restorer.card.network_title, f"{compute.device} {compute.precision}"]
    if tiles.reduce_to:
        parts.append(f"reduced to {tiles.reduce_to} pixels")
    if tiles.whole_up_to >= UNLIMITED:
        parts.append("whole")
    else:
        parts.append(f"tiles of {tiles.size} with {tiles.overlap} shared")
        if tiles.whole_up_to:
            parts.append(f"whole up to {tiles.whole_up_to / 1e6:.3g} megapixels")
    if tiles.window:
        parts.append(f"windows of {tiles.window}")
    if restorer.strength != 1:
        parts.append(f"strength {restorer.strength:g}")
    if restorer.ensemble:
        parts.append("ensemble")
    return ", ".join(parts)


def _on_uint8(method: Callable[..., Any]) -> Callable[..., Any]:
    return lambda image: method(to_uint8(image))
