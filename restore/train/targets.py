"""Training pairs whose targets a model makes, for rehearsal and distillation.

A network that is fine-tuned forgets what it is no longer shown, and a small network learns well
from the output of a large one. Both need inputs with a model's output as the target. The pairs
are made once, before the first step, and kept as PNG files in the folder of the run, so that a
resumed run sees the same pixels.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Generator

from restore.degrade.recipes import Recipe
from restore.errors import ImageError, TrainingError
from restore.files import atomic_path, sha256_of
from restore.media import folder as media_folder
from restore.media import image as media
from restore.media.picture import Picture
from restore.train.config import TrainConfig
from restore.train.sources import DISTILL, Source, read_picture

if TYPE_CHECKING:
    from restore.checkpoints.store import Model
    from restore.engine.restorer import Restorer

MANIFEST = "manifest.json"
REPORT_EVERY_SECONDS = 10.0

Say = Callable[[str], None]
Progress = Callable[[int, int], None]


def make_pairs(
    source: Source,
    folder: Path,
    model: Model,
    config: TrainConfig,
    recipe: Recipe,
    *,
    device: str = "auto",
    say: Say = print,
    progress: Progress = lambda done, total: None,
) -> None:
    """Fill ``folder`` with the pairs of a ``--rehearse`` or ``--distill`` source.

    ``input/`` holds unchanged pictures of the source (rehearse), or ``target_draws``
    versions of each that ``recipe`` has degraded (distill); ``target/`` what ``model`` makes of
    them, at the default tiles and precision of `Restorer`. All are 8-bit RGB. Pairs that exist are
    kept, so an interrupted call is completed by the next one; of several processes one works and
    the others wait. ``progress`` is called with pairs done and all.

    Raises `TrainingError` where the folder holds pairs of another model, seed or source, and for
    pictures that cannot be read; `RestoreError` where the model cannot be used.
    """
    from filelock import FileLock  # most commands lock nothing

    try:
        for name in ("input", "target"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock"):
            pictures = _claim(folder, _manifest(source, model, config))
            pairs = list(_pairs(source, pictures, config))
            left = [pair for pair in pairs if not (folder / "target" / pair[0]).is_file()]
            if left:
                say(f"{source.name}: {model.card.name} makes {len(left):,} targets")
                restorer = _restorer(model, device)
                told = _Told(source, len(pairs), say, progress)
                for done, pair in enumerate(left, start=len(pairs) - len(left) + 1):
                    _make(*pair, folder, restorer, recipe)
                    told(done)
    except ImageError as error:
        raise TrainingError(str(error)) from error
    except OSError as error:
        raise TrainingError(f"{folder}: cannot be written: {error.strerror or error}") from error


def _manifest(source: Source, model: Model, config: TrainConfig) -> dict[str, Any]:
    """Describe what the pairs depend on."""
    drawn = {"seed": config.seed, "draws": config.target_draws} if source.kind == DISTILL else {}
    paths = media_folder.pictures(source.folder)
    return {
        "kind": source.kind,
        "task": config.task,
        "model": model.card.name,
        "sha256": model.card.sha256,
        **drawn,
        "pictures": [{"name": path.name, "sha256": sha256_of(path)} for path in paths],
    }


def _claim(folder: Path, wanted: dict[str, Any]) -> list[str]:
    """Write the manifest, or compare it with the one that is there; return the pictures' names."""
    path = folder / MANIFEST
    if path.is_file():
        try:
            found = dict(json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, TypeError) as error:
            raise TrainingError(f"{path}: is damaged: {error}; remove {folder}") from error
        for name in wanted:
            if found.get(name) != wanted[name]:
                raise TrainingError(
                    f"{folder}: holds pairs with another {name}; remove the folder, or use another"
                )
    else:
        with atomic_path(path) as partial:
            partial.write_text(json.dumps(wanted, indent=1, ensure_ascii=False), encoding="utf-8")
    return [entry["name"] for entry in wanted["pictures"]]


def _pairs(
    source: Source, pictures: list[str], config: TrainConfig
) -> Iterator[tuple[str, Path, int | None]]:
    """Yield the name of each pair, its picture, and the seed of its degradation if it has one."""
    for index, name in enumerate(pictures):
        if source.kind != DISTILL:
            yield f"{index:05d}.png", source.folder / name, None
            continue
        for draw in range(config.target_draws):
            rng = np.random.default_rng((config.seed, index, draw))
            seed = int(rng.integers(2**62))
            yield f"{index:05d}-{draw:04d}.png", source.folder / name, seed


def _restorer(model: Model, device: str) -> Restorer:
    from restore.engine.restorer import Restorer  # needs more than a bare machine has

    return Restorer(model.card.task, model.path, device=device)


def _make(
    name: str, path: Path, seed: int | None, folder: Path, restorer: Restorer, recipe: Recipe
) -> None:
    pixels = read_picture(path)
    if seed is not None:
        pixels = _degraded(pixels, recipe, torch.Generator().manual_seed(seed))
    media.write(Picture(pixels, None, {}), folder / "input" / name)
    # The target comes last: a pair is complete where it exists.
    media.write(Picture(restorer(pixels), None, {}), folder / "target" / name)


def _degraded(pixels: np.ndarray, recipe: Recipe, generator: Generator) -> np.ndarray:
    """Degrade a whole picture (H x W x 3 uint8), rounded and clipped as in a file."""
    clean = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255
    degraded = recipe.degrade(clean, generator)[0].clamp(0, 1)
    return (degraded * 255).round().byte().permute(1, 2, 0).contiguous().numpy()


class _Told:
    """Report progress to a bar, and in words every `REPORT_EVERY_SECONDS`."""

    def __init__(self, source: Source, total: int, say: Say, progress: Progress):
        self._source, self._total, self._say, self._progress = source, total, say, progress
        self._last = time.monotonic()

    def __call__(self, done: int) -> None:
        self._progress(done, self._total)
        if time.monotonic() - self._last > REPORT_EVERY_SECONDS:
            self._last = time.monotonic()
            self._say(f"{self._source.name}: {done:,} of {self._total:,} targets")
