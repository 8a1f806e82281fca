"""Programs that run a network, by name. Importing this imports none of them."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Protocol, cast

import numpy as np

from restore.checkpoints.store import Model
from restore.engine.precision import Compute
from restore.engine.share import Share, ignore
from restore.engine.tile_options import SOME
from restore.errors import RestoreError, UsageError
from restore.networks import Pair

TORCH, ONNXRUNTIME, TRITON, PLAIN = "torch", "onnxruntime", "triton", "plain"


class Backend(Protocol):
    """A network that is loaded; ``compute`` is where it runs, and in which precision.

    ``by_windows`` says whether it can confine grid mixing to windows, ``by_strips`` whether it can
    compute a layer in strips.
    """

    name: str
    compute: Compute
    by_windows: bool
    by_strips: bool

    def __call__(
        self,
        pictures: np.ndarray,
        windows: Pair = (1, 1),
        hold: str = SOME,
        share: Share = ignore,
    ) -> np.ndarray:
        """N x 3 x H x W float32, RGB in [0, 1], H and W multiples of the model's size rule, times
        the number of windows, down and across, that grid mixing is confined to.

        Returns the same, which may leave that range. ``hold`` says how much to keep in memory:
        `ALL` of every layer at once, `SOME`, or the `LEAST`. ``share`` is told how much is done, by
        torch on a CPU, layer by layer; what it raises ends the work. Raises `NotEnoughMemoryError`
        where the pictures are too large for this machine. Several threads may call at a time.
        """


def load(name: str, model: Model, device: str, precision: str) -> Backend:
    """The backend of that name, "torch", "onnxruntime", "triton" or "plain", with the model.

    ``device`` and ``precision`` are the `Restorer`'s. Raises `UsageError` for a backend that does
    not exist or lacks the precision, `RestoreError` where torch is missing, and as `Restorer` does.
    """
    if name not in BACKENDS:
        *names, last = BACKENDS
        raise UsageError(f"backend {name!r} is unknown; use {', '.join(names)} or {last}")
    module, _, kind = BACKENDS[name].rpartition(".")
    try:
        found = getattr(import_module(module), kind)
    except ModuleNotFoundError as error:
        if error.name != TORCH:
            raise
        raise RestoreError(
            f"backend {name!r} requires torch: pip install torch; or use backend={ONNXRUNTIME!r}"
        ) from None
    return cast(Backend, found(model, device, precision))


BACKENDS: Mapping[str, str] = {
    TORCH: "restore.engine.torch_backends.TorchBackend",
    ONNXRUNTIME: "restore.engine.onnx_backend.OnnxBackend",
    TRITON: "restore.engine.torch_backends.TritonBackend",
    PLAIN: "restore.engine.torch_backends.PlainBackend",
}
"""Classes by name, in the order of messages. docs/speed.md describes each."""
