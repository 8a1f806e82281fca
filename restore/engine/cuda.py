"""A network on a CUDA GPU: pinned transfers, and CUDA graphs of repeated work.

Written for GPUs and tested on CPUs: none of the numbers below has been measured on a GPU yet.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

import numpy as np
import torch
from torch import Tensor

_log = logging.getLogger("restore")

Run = Callable[[Tensor], Tensor]
Capture = Callable[[Run, Tensor], Run]
"""Makes of a function a graph for tensors of one size; what that returns holds until it is called
again. Raises `RuntimeError` where it cannot."""

AFTER = 3
"""Times that a size must have come before it is worth a graph: frames of a clip, equal tiles."""
MOST = 4
"""Graphs that are kept: each holds the memory of a whole run."""
LARGEST = 2**21
"""Pixels, a few more than 1920 x 1080, from which on kernels take longer to run than to launch."""
_REMEMBERED = 64
"""Sizes that are counted."""

_ISSUING = threading.Lock()
"""One thread of a process at a time issues work: torch captures one graph at a time, TF32 is set
for the whole process, and a graph's next run writes over its result. Waiting needs no lock."""


class Graphs:
    """Runs functions of images, and repeated ones as a CUDA graph, which launches all kernels at
    once. Kernels and results are the same.

    For one thread at a time, always on the same stream. A result is valid until the next call.
    """

    def __init__(self, capture: Capture):
        self._capture = capture
        self._graphs: OrderedDict[Hashable, Run] = OrderedDict()  # least recently used first
        self._seen: OrderedDict[Hashable, int] = OrderedDict()
        self._impossible: set[Hashable] = set()
        self._enough_memory = True
        self._warned = False

    def __call__(self, run: Run, x: Tensor, key: Hashable) -> Tensor:
        """Return ``run(x)`` of N x C x H x W. Runs of an equal ``key`` do the same to tensors of
        one shape.

        If memory runs out, all graphs are released, and no more are made.
        """
        graph = self._graph(run, x, (key, x.shape))
        if graph is not None:
            return graph(x)
        try:
            return run(x)
        except torch.OutOfMemoryError:
            if not self._graphs:
                raise
            self._give_up()
        return run(x)  # outside the handler: the error holds tensors of the first run

    def _graph(self, run: Run, x: Tensor, key: Hashable) -> Run | None:
        if key in self._graphs:
            self._graphs.move_to_end(key)
            return self._graphs[key]
        if not self._is_due(x, key):
            return None
        try:
            self._graphs[key] = self._capture(run, x)
        except RuntimeError as error:
            self._impossible.add(key)
            if isinstance(error, torch.OutOfMemoryError):
                self._give_up()
            if not self._warned:
                reason = " ".join(str(error).split())
                _log.warning("no CUDA graph can be made; going on without (%s)", reason)
                self._warned = True
            return None
        # Only now: capturing waits for all work, so no graph is still running.
        while len(self._graphs) > MOST:
            self._graphs.popitem(last=False)
        return self._graphs[key]

    def _is_due(self, x: Tensor, key: Hashable) -> bool:
        """Whether to capture now, counting this call."""
        too_large = x.shape[0] * x.shape[2] * x.shape[3] > LARGEST
        if too_large or not self._enough_memory or key in self._impossible:
            return False
        before = self._seen.pop(key, 0)
        if before >= AFTER:
            return True
        self._seen[key] = before + 1
        while len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        return False

    def _give_up(self) -> None:
        self._graphs.clear()
        self._enough_memory = False


def captured(run: Run, x: Tensor) -> Run:
    """Capture ``run`` as a CUDA graph on the current stream, which must not be the default one.

    ``run`` must have run there before on a tensor like ``x``: capturing requires that warm-up, in
    which libraries choose their kernels and allocate their memory.
    """
    given = x.clone()
    graph = torch.cuda.CUDAGraph()
    stream = torch.cuda.current_stream()
    # "thread_local": other threads may page-lock memory and copy meanwhile.
    with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
        result = run(given)

    def replay(x: Tensor) -> Tensor:
        given.copy_(x)
        graph.replay()
        return result

    return replay


class Gpu:
    """Runs functions on a GPU, on a stream of its own; several threads may call it.

    While one of them waits for its result, others stage their inputs and issue their work. Tensors
    that functions hold must be on the device when this object is made. On a CPU, it does the same
    without a stream and without pinning.
    """

    def __init__(self, device: torch.device, capture: Capture = captured):
        self._device = device
        self._graphs = Graphs(capture)
        self._stream: torch.cuda.Stream | None = None
        if device.type == "cuda":
            self._stream = torch.cuda.Stream(device)
            self._stream.wait_stream(torch.cuda.current_stream(device))

    def __call__(self, run: Run, pictures: np.ndarray, key: Hashable) -> np.ndarray:
        """Apply ``run`` to N x 3 x H x W float32, channels last in memory on the device; return its
        result on the host. ``key`` is that of `Graphs`."""
        pixels = pictures.transpose(0, 2, 3, 1)
        pinned = self._stream is not None
        staged = host_memory(pixels.shape, pinned)
        staged.numpy()[...] = pixels
        # cuDNN would round float32 to TF32, below the promised precision.
        exact = torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
        with _ISSUING, torch.cuda.stream(self._stream), exact:
            x = staged.to(self._device, non_blocking=True)
            y = self._graphs(run, x.permute(0, 3, 1, 2), key)
            # Contiguous on the device: copies between unlike layouts go through other memory.
            y = y.float().permute(0, 2, 3, 1).contiguous()
            result = host_memory(y.shape, pinned)
            result.copy_(y, non_blocking=True)
            done = None if self._stream is None else self._stream.record_event()
        if done is not None:
            done.synchronize()
        return result.numpy().transpose(0, 3, 1, 2)


def host_memory(shape: tuple[int, ...], pinned: bool) -> Tensor:
    """Return an uninitialised float32 tensor on the host, page-locked if ``pinned`` and if
    possible.

    torch reuses page-locked memory for the next tensor, once no copy uses it any more.
    """
    if pinned:
        try:
            return torch.empty(shape, pin_memory=True)
        except RuntimeError:
            pass  # copies are slower, but correct
    return torch.empty(shape)
