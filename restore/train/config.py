"""Every choice of a training run, in one place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from restore.errors import ConfigError
from restore.network import MaximConfig

SMALL = MaximConfig(
    features=48,
    depth=2,
    num_stages=1,
    num_groups=2,
    num_bottleneck_blocks=1,
    num_supervision_scales=1,
    block_size_hr=(8, 8),
    grid_size_hr=(8, 8),
    block_size_lr=(8, 8),
    grid_size_lr=(8, 8),
    stem_factor=2,
    use_global_mlp=False,
)
"""The network of the shipped small models: a U-Net of two levels at half resolution (1.7 M values).

Near and far pixels are mixed in the cross-gating of every level and in the bottleneck. Encoders and
decoders go without multi-axis blocks, and width was chosen over depth, because that learns fastest
within a CPU's time: the races are in weights/TRAINING.md."""


@dataclass(frozen=True)
class TrainConfig:
    """A run is this and its data; both together fix every weight that comes out.

    Lengths are in optimizer steps; ``pixels_per_step`` is what one step sees, cut into patches
    of one of the ``patches`` sizes (height, width) at a time.
    """

    task: str = "denoise"
    network: MaximConfig = field(default_factory=lambda: SMALL)
    seed: int = 0
    steps: int = 20_000
    pixels_per_step: int = 4 * 128 * 128
    patches: tuple[tuple[int, int], ...] = ((128, 128), (128, 128), (128, 256), (256, 256))
    learning_rate: float = 1e-3
    final_learning_rate: float = 0.01
    """What remains of the learning rate at the end of the cosine, as a fraction."""
    warmup_steps: int = 200
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.0
    clip_norm: float = 0.5
    """Gradients are scaled down to this global norm."""
    ema_decay: float = 0.999
    charbonnier_eps: float = 1e-3
    fft_weight: float = 0.05
    pairs_fraction: float = 0.05
    """Of the patches, those cut from real pairs, where the run has pairs."""
    precision: str = "auto"
    """float32, bfloat16 (autocast), or auto: bfloat16 where the machine is built for it."""

    def __post_init__(self) -> None:
        for name in ("steps", "pixels_per_step"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be at least 1")
        for name in ("learning_rate", "clip_norm"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be above 0")
        for name in ("ema_decay", "pairs_fraction"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be in [0, 1]")
        if self.precision not in ("auto", "float32", "bfloat16"):
            raise ConfigError(f"precision is {self.precision!r}; use auto, float32 or bfloat16")
        rows, columns = self.network.size_multiple
        for height, width in self.patches:
            if height % rows or width % columns:
                raise ConfigError(
                    f"patches holds {height} x {width}; this network needs multiples of "
                    f"{rows} x {columns}"
                )

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"network": self.network.to_dict()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrainConfig:
        """Inverse of `to_dict`, also after a journey through JSON."""
        values = dict(values)
        unknown = sorted(set(values) - {f.name for f in fields(cls)})
        if unknown:
            raise ConfigError(f"unknown training field: {', '.join(unknown)}")
        if "network" in values:
            values["network"] = MaximConfig.from_dict(values["network"])
        if "patches" in values:
            values["patches"] = tuple((int(h), int(w)) for h, w in values["patches"])
        if "betas" in values:
            values["betas"] = tuple(values["betas"])
        return cls(**values)
