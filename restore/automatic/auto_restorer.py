"""Alternate the judge and the heads on one image."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from inspect import signature
from typing import TYPE_CHECKING, Any, Generic

import numpy as np

from restore.automatic.step import Step, remaining, strength_for
from restore.checkpoints import store
from restore.engine import pixels as conversion
from restore.engine.arrays import Image, convert
from restore.engine.checks import checked_progress, checked_strength
from restore.errors import ImageError, ModelNotFoundError, UsageError
from restore.heads import HEADS
from restore.inspect import Judgement, judge_model
from restore.inspect import judge as shipped_judge
from restore.spelling import did_you_mean

if TYPE_CHECKING:
    from restore.engine.restorer import Restorer

Progress = Callable[[float, int], None]


@dataclass(frozen=True)
class AutoPlan:
    """The heads that an image needs, by its judgement."""

    judgement: Judgement
    """The judgement of the image."""
    steps: tuple[Step, ...]
    """Heads to try, in order; empty for a healthy image. Later judgements may drop or add some."""


@dataclass(frozen=True)
class AutoResult(Generic[Image]):
    """A restored image, with the judgement of its input and all steps that were tried."""

    image: Image
    """The result, of the kind, shape and dtype of the input. The input itself if no step helped."""
    judgement: Judgement
    """The judgement of the input."""
    steps: tuple[Step, ...]
    """Heads that were tried, in order; see `Step.kept`."""

    @property
    def kept(self) -> tuple[Step, ...]:
        """Steps that the result consists of."""
        return tuple(step for step in self.steps if step.kept)


class AutoRestorer:
    """Restores images with the heads that they need. Models are loaded when first needed and kept.

    Args:
        quality: "fast", "standard" or "best", for all heads.
        strength: factor, 0 to 1, on the strength of each step, which follows its severity.
        judge: judges an array as `restore.inspect.judge` does, which is the default.
        options: those of `Restorer`, except ``task`` and ``model``.

    Raises `UsageError` for an option that does not exist.
    """

    def __init__(
        self,
        *,
        quality: str | None = None,
        strength: float = 1.0,
        judge: Callable[[np.ndarray], Judgement] | None = None,
        **options: Any,
    ):
        _check(options)
        self.quality, self.strength = quality, checked_strength(strength)
        self._judge = judge or shipped_judge
        self._options = options
        self._restorers: dict[str, Restorer] = {}

    def plan(self, image: Image) -> AutoPlan:
        """Judge an image and list the heads to try, without applying any. Accepts the images that
        `Restorer` accepts.

        Raises `ImageError` for anything else, `CheckpointError` if the judge is not installed, and
        `ModelNotFoundError` if a model of this quality is not.
        """
        judgement = self._judge(_single(image)[0])
        return AutoPlan(judgement, self._steps(judgement, ()))

    def __call__(
        self,
        image: Image,
        progress: Progress | None = None,
        *,
        on_start: Callable[[Step, Restorer], object] | None = None,
        on_step: Callable[[Step], object] | None = None,
    ) -> AutoResult[Image]:
        """Apply one head after the other, judge after each, and undo those that do not help.

        A head is tried once at most. Between the steps, pixels are float32: integers are rounded
        once, at the end.

        Args:
            image: of any kind that `Restorer` takes; no batches.
            progress: called with the finished tiles of the step and with all of them.
            on_start: called with each planned step and its restorer, before it runs.
            on_step: called with each finished step.

        Raises as `plan` and `Restorer` do.
        """
        report = checked_progress(progress)
        given, back = _single(image)
        first = judgement = self._judge(given)
        current = conversion.to_float(given)
        tried: list[Step] = []
        while planned := self._steps(judgement, [step.fault for step in tried]):
            step = planned[0]
            restorer = self._restorer(step.head)
            if on_start is not None:
                on_start(step, restorer)
            changed = restorer(current, report, strength=step.strength)
            judged = self._judge(changed)
            step = _finished(step, judged)
            if step.kept:
                current, judgement = changed, judged
            tried.append(step)
            if on_step is not None:
                on_step(step)
        if not any(step.kept for step in tried):
            return AutoResult(image, first, tuple(tried))
        result = conversion.from_float(current, given, conversion.is_grey(given))
        return AutoResult(back([result]), first, tuple(tried))

    def key(self) -> dict[str, Any]:
        """Return everything about this restorer that decides the bytes of a result."""
        models = {model.path.stem: model.card.sha256 for model in store.installed()}
        named = {head: _name_of(head, self.quality) for head in HEADS}
        return {
            "task": "auto",
            "judge_sha256": judge_model.card().sha256,
            "models": {head: models.get(name) for head, name in named.items()},
            "strength": self.strength,
            "options": {name: str(value) for name, value in sorted(self._options.items())},
        }

    def _steps(self, judgement: Judgement, tried: list[str] | tuple[()]) -> tuple[Step, ...]:
        if self.strength == 0:
            return ()
        return tuple(
            Step(
                fault,
                head,
                store.find(head, quality=self.quality).card.name,
                self.strength * strength_for(judgement.severities[fault]),
                judgement.severities[fault],
                judgement.probabilities[fault],
                judgement.quality,
            )
            for fault, head in remaining(judgement, tried)
        )

    def _restorer(self, head: str) -> Restorer:
        from restore.engine.restorer import Restorer  # torch

        if head not in self._restorers:
            self._restorers[head] = Restorer(head, quality=self.quality, **self._options)
        return self._restorers[head]


def plan(image: Image, *, quality: str | None = None, strength: float = 1.0) -> AutoPlan:
    """Judge an image and list the heads that it needs; see `AutoRestorer.plan`."""
    return AutoRestorer(quality=quality, strength=strength).plan(image)


def auto(image: Image, progress: Progress | None = None, **options: Any) -> AutoResult[Image]:
    """Restore an image with the heads that it needs; ``options`` are those of `AutoRestorer`.

    For several images, make one `AutoRestorer`, which loads each model once.
    """
    return AutoRestorer(**options)(image, progress)


def _check(options: Mapping[str, Any]) -> None:
    from restore.engine.restorer import Restorer  # torch

    known = [name for name in signature(Restorer).parameters if name not in ("task", "model")]
    for name in options:
        if name in ("task", "model"):
            raise UsageError(f"{name} is chosen by the judge; use Restorer to choose it")
        if name not in known:
            raise UsageError(f"there is no option {name!r}{did_you_mean(name, known)}")


def _name_of(head: str, quality: str | None) -> str:
    """Return the name of a head's model; empty if none is installed, which is an error only when
    the head is used."""
    try:
        return store.find(head, quality=quality).path.stem
    except ModelNotFoundError:
        return ""


def _finished(step: Step, judged: Judgement) -> Step:
    return replace(
        step,
        probability_after=judged.probabilities[step.fault],
        quality_after=judged.quality,
    )


def _single(image: Any) -> tuple[np.ndarray, Callable[..., Any]]:
    converted = convert(image)
    if len(converted.arrays) != 1:
        raise ImageError(f"expected one image, got a batch of {len(converted.arrays)}")
    return converted.arrays[0], converted.back


def as_values(step: Step) -> dict[str, Any]:
    """Return the fields of a step and ``kept``, for JSON."""
    return asdict(step) | {"kept": step.kept}
