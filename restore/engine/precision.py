"""Choice of the device and the number format to compute in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from restore.checkpoints.card import BFLOAT16, FLOAT32, Card
from restore.errors import RestoreError, UsageError

if TYPE_CHECKING:
    import torch

PRECISIONS = (FLOAT32, BFLOAT16)


class DeviceLike(Protocol):
    """A `Device`, or torch's."""

    @property
    def type(self) -> str: ...

    @property
    def index(self) -> int | None: ...


@dataclass(frozen=True)
class Device:
    """A device without torch: "cpu", or "cuda" and the number of a GPU."""

    type: str
    index: int | None = None

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"


@dataclass(frozen=True)
class Compute:
    """``precision`` is one of `PRECISIONS`."""

    device: torch.device | Device
    precision: str


@dataclass(frozen=True)
class TorchCompute(Compute):
    """The same, for a network in torch."""

    device: torch.device

    @property
    def dtype(self) -> torch.dtype:
        return dtype_of(self.precision)


def dtype_of(precision: str) -> torch.dtype:
    """Return torch's type of one of `PRECISIONS`."""
    import torch

    return {FLOAT32: torch.float32, BFLOAT16: torch.bfloat16}[precision]


def choose(device: str, precision: str, card: Card) -> TorchCompute:
    """Resolve "auto": cuda, then mps, then cpu; the fastest precision that the card lists.

    Raises `RestoreError` for a missing device or an unknown precision. A precision given by name is
    used even if the card does not list it.
    """
    chosen = choose_device(device)
    if precision == "auto":
        safe = BFLOAT16 in card.precisions and bfloat16_is_fast(chosen)
        return TorchCompute(chosen, BFLOAT16 if safe else FLOAT32)
    if precision not in PRECISIONS:
        raise UsageError(f"precision {precision!r} is unknown; use auto, {', '.join(PRECISIONS)}")
    return TorchCompute(chosen, precision)


def choose_device(name: str) -> torch.device:
    """Return the device of "auto", "cpu", "cuda", "cuda:1" or "mps". Raises `RestoreError`."""
    import torch

    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError):
        raise UsageError(f"device {name!r} is unknown; use auto, cpu, cuda or mps") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise RestoreError(
            f"device {name!r}: this machine has no usable CUDA GPU; use device='cpu'"
        )
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise RestoreError(f"device {name!r}: there are {torch.cuda.device_count()} GPUs, from 0")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise RestoreError(f"device {name!r}: this machine has no Metal GPU; use device='cpu'")
    if device.type not in ("cpu", "cuda", "mps"):
        raise RestoreError(f"device {name!r} is not supported; use auto, cpu, cuda or mps")
    return device


def bfloat16_is_fast(device: torch.device) -> bool:
    """Whether the machine multiplies bfloat16 in hardware (emulated, it is slower than float32)."""
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu":
        from restore.networks.fast.onednn import cpu_features

        features = cpu_features()
        return bool(features.get("avx512_bf16") or features.get("amx_bf16"))
    return False
