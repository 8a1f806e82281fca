"""Networks in ONNX Runtime, without torch."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from restore.checkpoints.card import FLOAT32
from restore.checkpoints.store import Model
from restore.engine.backend import ONNXRUNTIME
from restore.engine.budget import memory_errors_told_apart
from restore.engine.precision import Compute, Device
from restore.engine.share import Share, ignore
from restore.engine.threads import count_threads
from restore.engine.tile_options import SOME
from restore.errors import RestoreError, UsageError, pip_install
from restore.export.onnx_files import cached, check_metadata
from restore.networks import Pair
from restore.networks.graph import INPUT, WINDOWS

CUDA = "CUDAExecutionProvider"


class OnnxBackend:
    """ONNX Runtime, in float32: on CUDA if its build and the machine support it, else on the CPU.

    A model that was not exported ahead is exported to the cache folder at its first use. Uses as
    many threads as torch would.
    """

    name = ONNXRUNTIME
    by_strips = False

    def __init__(self, model: Model, device: str = "auto", precision: str = "auto"):
        if precision not in ("auto", FLOAT32):
            raise UsageError(f"precision {precision!r}: {ONNXRUNTIME} computes in float32 alone")
        try:
            import onnxruntime
        except ImportError:
            raise RestoreError(
                f"backend {ONNXRUNTIME} needs an extra: {pip_install('onnx')}"
            ) from None
        usable = CUDA in onnxruntime.get_available_providers()
        chosen = _device(device, usable)
        self.compute = Compute(chosen, FLOAT32)
        self._session = _session(model, chosen)
        # Absent from networks without grid mixing, and from files of earlier versions.
        optional = self._session.get_overridable_initializers()
        self.by_windows = any(one.name == WINDOWS for one in optional)

    def __call__(
        self,
        pictures: np.ndarray,
        windows: Pair = (1, 1),
        hold: str = SOME,
        share: Share = ignore,
    ) -> np.ndarray:
        given = {INPUT: np.ascontiguousarray(pictures)}
        if self.by_windows:
            given[WINDOWS] = np.array(windows, np.int64)
        with memory_errors_told_apart():
            return self._session.run(None, given)[0]


def _device(name: str, has_cuda: bool) -> Device:
    if name == "auto":
        return Device("cuda" if has_cuda and _has_gpu() else "cpu")
    kind, _, number = name.partition(":") if isinstance(name, str) else (name, "", "")
    if kind not in ("cpu", "cuda", "mps") or (number and not number.isdecimal()):
        raise UsageError(f"device {name!r} is unknown; use auto, cpu or cuda")
    if kind == "cpu":
        return Device("cpu")
    if kind != "cuda" or not has_cuda:
        raise RestoreError(
            f"device {name!r}: the {ONNXRUNTIME} of this machine cannot use it; use device='cpu'"
        )
    return Device("cuda", int(number) if number else None)


def _has_gpu() -> bool:
    """Return whether NVIDIA's driver is there. ONNX Runtime lists CUDA where it only could be."""
    import ctypes

    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
        count = ctypes.c_int()
        return bool(driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0)
    except (OSError, AttributeError):
        return False


def _session(model: Model, device: Device) -> Any:
    from onnxruntime import InferenceSession, SessionOptions

    path = cached(model)
    options = SessionOptions()
    options.intra_op_num_threads = count_threads()
    # With patterns, the second picture of a size requires twice the memory of the first (1135
    # instead of 567 bytes per pixel for denoise-small at 768 x 768), in the same time.
    options.enable_mem_pattern = False
    options.log_severity_level = 4  # errors are raised and need not be printed too
    providers: list[Any] = ["CPUExecutionProvider"]
    if device.type == "cuda":
        # TF32 would be below the promised precision.
        providers.insert(0, (CUDA, {"device_id": device.index or 0, "use_tf32": 0}))
    try:
        session = InferenceSession(path, options, providers=providers)
    except Exception as error:  # its errors have no class in common
        reason = " ".join(str(error).split())
        raise RestoreError(
            f"{path}: {ONNXRUNTIME} cannot load it; remove it to have it made again ({reason})"
        ) from error
    check_metadata(path, session.get_modelmeta().custom_metadata_map, model.card)
    if device.type == "cuda" and CUDA not in session.get_providers():
        raise RestoreError(
            f"device {str(device)!r}: {ONNXRUNTIME} cannot load its CUDA libraries; "
            "use device='cpu'"
        )
    return session
