"""Networks in torch: in fused operators, in plain ones, and in kernels of our own."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import numpy as np
import torch

from restore.checkpoints.cut import read_network
from restore.checkpoints.store import Model
from restore.engine.allocator import give_back, keep_pages
from restore.engine.backend import PLAIN, TORCH, TRITON
from restore.engine.batches import FILLS_A_GPU
from restore.engine.budget import NotEnoughMemoryError, memory_errors_told_apart
from restore.engine.cuda import Gpu
from restore.engine.precision import choose, choose_device
from restore.engine.share import Share, ShareCounter, ignore
from restore.engine.threads import settle
from restore.engine.tile_options import ALL, LEAST, SOME
from restore.errors import RestoreError, UsageError
from restore.networks import Pair, work
from restore.networks.fast import RowStrips, WholeMaps, keep_weights, knows_windows, optimise

_ON_CPU, _ELSEWHERE = 1 << 21, 1 << 26
"""How many numbers of a map are computed at a time: those that a processor caches, and enough for a
GPU."""
_REASON = 200
"""Characters of a compiler's error that are worth telling; it may print a whole kernel."""


class TorchBackend:
    """The network made fast, in any precision on any device."""

    name = TORCH
    _mode: Callable[[], AbstractContextManager[None]] = torch.inference_mode

    def __init__(self, model: Model, device: str = "auto", precision: str = "auto"):
        keep_pages()  # before torch makes a tensor
        self.compute = choose(device, precision, model.card)
        if self.compute.device.type == "cpu":
            settle()
        network = read_network(model)
        self._plain = network.to(self.compute.device, self.compute.dtype)
        self._network = optimise(self._plain)
        self._count_layers()
        self._smallest = (1, 3, *model.card.network.size_multiple)
        self._known: dict[str, float] = {}
        self.by_windows = self.by_strips = knows_windows(self._network)
        self._most = _ON_CPU if self.compute.device.type == "cpu" else _ELSEWHERE
        self._gpu = Gpu(self.compute.device) if self.compute.device.type == "cuda" else None
        if self.compute.device.type == "cpu" and self._mode is torch.inference_mode:
            keep_weights(self._network)
            # Layers make the tensors they keep now: later these would lie between large maps.
            self._multiplications(SOME)

    def __call__(
        self,
        pictures: np.ndarray,
        windows: Pair = (1, 1),
        hold: str = SOME,
        share: Share = ignore,
    ) -> np.ndarray:
        if self._gpu is not None and pictures.size // 3 <= FILLS_A_GPU:
            hold = ALL  # fewer kernels, if it is small enough
        with memory_errors_told_apart(), self._mode():
            if self._gpu is not None:
                return self._gpu(lambda x: self._run(x, windows, hold), pictures, (windows, hold))
            # Channels last in memory, as the network keeps them. torch shares that memory, and
            # warns where it may not write to it.
            pixels = np.require(pictures.transpose(0, 2, 3, 1), requirements=["C", "W"])
            # Through one dimension: numpy's stride of a single picture may be anything, and torch
            # would go on with it, in slower kernels.
            x = torch.from_numpy(pixels.ravel()).view(pixels.shape)
            x = x.to(self.compute.device).permute(0, 3, 1, 2)
            if share is ignore:
                return self._run(x, windows, hold).float().cpu().numpy()
            total = self._multiplications(hold) * pixels.size
            with work.counting(ShareCounter(total, share)):
                return self._run(x, windows, hold).float().cpu().numpy()

    def _multiplications(self, hold: str) -> float:
        """Return the multiplications per number of an image, counted on the smallest one. They
        depend on ``hold``: some maps are recomputed rather than held."""
        if hold not in self._known:
            counted: list[float] = []
            picture = torch.zeros(self._smallest, device=self.compute.device)
            with work.counting(counted.append), self._mode():
                self._run(picture, (1, 1), hold)
            self._known[hold] = sum(counted) / picture.numel()
        return self._known[hold]

    def _count_layers(self) -> None:
        if self._network is self._plain:
            work.count_layers(self._plain)

    def _run(self, x: torch.Tensor, windows: Pair, hold: str) -> torch.Tensor:
        if not knows_windows(self._network):
            return self._network(x)
        return self._network(x, self._walk(windows, hold))

    def _walk(self, windows: Pair, hold: str) -> WholeMaps:
        if hold == ALL:
            return WholeMaps(windows)
        if hold == LEAST:
            on_cpu = self.compute.device.type == "cpu"
            after = give_back if on_cpu else None
            return RowStrips(self._most // 2, windows, recomputes=True, after=after)
        return RowStrips(self._most, windows)


class PlainBackend(TorchBackend):
    """The plain network, as it trains: the reference for the other backends, and for their memory.

    It supports neither strips nor windows. If these are requested, the fast network runs in torch's
    own operators.
    """

    name = PLAIN
    _mode = torch.enable_grad  # excludes oneDNN's operators

    def _count_layers(self) -> None:
        work.count_layers(self._plain)

    def _run(self, x: torch.Tensor, windows: Pair, hold: str) -> torch.Tensor:
        if hold == ALL and windows == (1, 1):
            return self._plain(x)
        return super()._run(x, windows, hold)


class TritonBackend(TorchBackend):
    """The fast network on a CUDA GPU, with the axis gMLPs in Triton kernels, compiled at first use.

    No GPU has run them yet. They are therefore checked when a model is loaded (`kernels.check`),
    and the backend is refused if they do not compile, do not run, or differ from the plain layers.
    """

    name = TRITON

    def __init__(self, model: Model, device: str = "auto", precision: str = "auto"):
        try:
            from restore.networks.fast.triton_kernels import check, fuse
        except ImportError:
            raise RestoreError(
                f"backend {TRITON} needs triton, which torch for CUDA on Linux brings; "
                f"use backend={TORCH!r}"
            ) from None
        _require_gpu(device)
        super().__init__(model, device, precision)
        self._network = fuse(self._network)
        try:
            with memory_errors_told_apart():
                check(self._network)
        except NotEnoughMemoryError:
            raise
        except Exception as error:  # Triton, compilers and driver share no class
            reason = f"{type(error).__name__}: {error}".splitlines()[0][:_REASON]
            raise RestoreError(
                f"backend {TRITON} does not work on this machine ({reason}); use backend={TORCH!r}"
            ) from error


def _require_gpu(device: str) -> None:
    """Raise `RestoreError` without a GPU that the kernels support."""
    if not torch.cuda.is_available():
        raise RestoreError(
            f"backend {TRITON}: this machine has no usable CUDA GPU; use backend={TORCH!r}"
        )
    chosen = choose_device(device)
    if chosen.type != "cuda":
        raise UsageError(
            f"device {device!r}: {TRITON} computes on CUDA GPUs alone; use backend={TORCH!r}"
        )
    if torch.cuda.get_device_capability(chosen) < (8, 0):
        raise RestoreError(
            f"backend {TRITON} needs a GPU of compute capability 8.0 or more; use backend={TORCH!r}"
        )
