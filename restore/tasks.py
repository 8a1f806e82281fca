"""The five heads. A new head is one new entry here (and what it is trained against)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Task:
    """``models``: names tried in order where a user names none.

    ``degradation`` is the recipe of `restore.degrade` that the head is trained to undo.
    """

    name: str
    summary: str
    models: tuple[str, ...]
    degradation: str


TASKS: Mapping[str, Task] = {
    task.name: task
    for task in (
        Task(
            "denoise",
            "Take noise and grain out of a photograph.",
            ("denoise-small", "denoise-sidd"),
            "denoise",
        ),
        Task(
            "deblur",
            "Sharpen what camera shake or motion has blurred.",
            ("deblur-small", "deblur-gopro", "deblur-reds", "deblur-realblur-j"),
            "deblur",
        ),
        Task(
            "derain",
            "Remove rain streaks and drops.",
            ("derain-small", "derain-rain13k", "derain-raindrop"),
            "derain",
        ),
        Task(
            "dehaze",
            "Clear haze and fog.",
            ("dehaze-small", "dehaze-sots-outdoor", "dehaze-sots-indoor"),
            "dehaze",
        ),
        Task(
            "enhance",
            "Brighten and clean a photograph taken in low light.",
            ("enhance-small", "enhance-lol", "enhance-fivek"),
            "enhance",
        ),
    )
}
