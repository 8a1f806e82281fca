"""Quality measures of the literature, by the package pyiqa."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from http.client import HTTPException

import numpy as np
import torch

from restore.errors import DownloadError, ImageError, RestoreError, UsageError, pip_install
from restore.evaluate.metrics import check_pair
from restore.media.colour import rgb

_PICKLES = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"


@dataclass(frozen=True)
class Published:
    """A measure of pyiqa.

    ``smallest``: least side in pixels. ``has_reference``: whether it compares with a true image.
    """

    protocol: str
    smallest: int
    has_reference: bool = False


MEASURES: Mapping[str, Published] = {
    "NIQE": Published("Mittal et al. 2013, on BT.601 Y; lower is better", 96),
    "MUSIQ": Published("Ke et al. 2021, trained on KonIQ-10k; higher is better", 32),
    "DISTS": Published("Ding et al. 2020, distance to the target; lower is better", 16, True),
}


class PyiqaMeasure:
    """One of `MEASURES` on a CPU.

    Weights are read from torch's hub folder (``TORCH_HOME``); pyiqa downloads missing ones.

    Raises `UsageError` for another name, `RestoreError` where pyiqa is missing, and
    `DownloadError` where its weights can neither be found nor downloaded.
    """

    def __init__(self, name: str):
        if name not in MEASURES:
            raise UsageError(f"no measure is called {name!r}; there are {', '.join(MEASURES)}")
        self.name, self.published = name, MEASURES[name]
        with _quiet(), _no_pickles():
            try:
                import pyiqa
            except ImportError as error:
                missing = f"{name} requires pyiqa and its packages ({error})"
                raise RestoreError(f"{missing}: {pip_install('quality')}") from error
            try:
                self._metric = pyiqa.create_metric(name.lower(), device="cpu")
            except (OSError, HTTPException) as error:
                folder = os.path.join(torch.hub.get_dir(), "pyiqa")
                raise DownloadError(
                    f"weights of {name} cannot be downloaded ({error}); put pyiqa's files into "
                    f"{folder}"
                ) from error

    @torch.inference_mode()
    def __call__(self, output: np.ndarray, target: np.ndarray) -> float:
        """Measure H x W x 3 (RGB) or H x W (grey), uint8; ``target`` only counts for measures with
        a reference. Raises `ImageError` for smaller images and for different shapes."""
        check_pair(output, target)
        least = self.published.smallest
        if min(output.shape[:2]) < least:
            raise ImageError(
                f"{self.name} requires images of at least {least} x {least} pixels, got "
                f"{output.shape}"
            )
        given = (output, target) if self.published.has_reference else (output,)
        with _quiet():
            return float(self._metric(*map(_to_tensor, given)))


def _to_tensor(image: np.ndarray) -> torch.Tensor:
    """H x W (x 3), uint8, to 1 x 3 x H x W, float32 in [0, 1]."""
    return torch.tensor(rgb(image)).permute(2, 0, 1)[None].float() / 255


@contextmanager
def _quiet() -> Iterator[None]:
    """Drop prints and warnings of pyiqa and of the packages that it imports."""
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _no_pickles() -> Iterator[None]:
    """Let torch read tensors alone from the files that pyiqa downloads, which are pickles."""
    before = os.environ.get(_PICKLES)
    os.environ[_PICKLES] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_PICKLES]
        else:
            os.environ[_PICKLES] = before
