"""Every choice of a training run, in one place."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, NoReturn

from restore.errors import ConfigError
from restore.networks.maxim import MaximConfig

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
decoders go without multi-axis blocks, and width was chosen over depth, because that learnt fastest
within a CPU's time: the races are in weights/TRAINING.md."""

LARGEST_SEED = 2**63 - 1
_AT_LEAST = {
    "seed": 0,
    "steps": 1,
    "pixels_per_step": 1,
    "batches_per_step": 1,
    "warmup_steps": 0,
    "validate_every": 1,
}
_ABOVE_ZERO = ("learning_rate", "clip_norm", "charbonnier_eps")
_NOT_NEGATIVE = ("weight_decay", "fft_weight")
_FRACTIONS = ("final_learning_rate", "ema_decay", "holdout", "plain")


@dataclass(frozen=True)
class TrainConfig:
    """A run is this and its data; both together fix every weight that comes out.

    Lengths are in optimizer steps; ``pixels_per_step`` is what one step sees, cut into patches
    of one of the ``patches`` sizes (height, width) at a time.
    """

    task: str = "denoise"
    init: str = ""
    """The model it starts from, by name and SHA-256, or nothing for fresh weights."""
    network: MaximConfig = field(default_factory=lambda: SMALL)
    seed: int = 0
    steps: int = 20_000
    pixels_per_step: int = 4 * 64 * 64
    patches: tuple[tuple[int, int], ...] = (*((64, 64),) * 5, (64, 128), *((128, 128),) * 2)
    """Small ones: for the same pixels they show more places, and a CPU's pixels are few
    (weights/TRAINING.md). Some are larger, so that a model is at home at any size."""
    sides: tuple[int, ...] = (0,)
    """Sizes at which every picture is in the training set: its shorter side in pixels, to which
    a larger one is reduced; 0 is as it is. In small ones a patch shows the whole of a scene, which
    haze and darkness are properties of."""
    plain: float = 0.0
    """Fraction of patches without texture, which are to be left as they are
    (`restore.degrade.plain`)."""
    align: bool = False
    """Whether the inputs of pairs are warped onto their targets first, where these lie off the
    middle of the motion that blurred them."""
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
    batches_per_step: int = 1
    """A step sees so many batches of ``pixels_per_step``, on as many devices or one after another:
    the result is the same to rounding."""
    holdout: float = 1 / 16
    """Fraction of the pictures of every folder that is kept for validation and never trained on."""
    validate_every: int = 500
    """Steps between two looks at the pictures held out."""
    precision: str = "auto"
    """float32, bfloat16 (autocast), or auto: bfloat16 where the machine is built for it."""

    def __post_init__(self) -> None:
        for name, least in _AT_LEAST.items():
            if not _is_whole(getattr(self, name), least):
                self._refuse(name, f"it must be a whole number of at least {least}")
        if self.seed > LARGEST_SEED:
            self._refuse("seed", f"it must be at most {LARGEST_SEED}")
        for name in _ABOVE_ZERO:
            if not _is_number(getattr(self, name)) or getattr(self, name) <= 0:
                self._refuse(name, "it must be a number above 0")
        for name in _NOT_NEGATIVE:
            if not _is_number(getattr(self, name)) or getattr(self, name) < 0:
                self._refuse(name, "it must be a number of at least 0")
        for name in _FRACTIONS:
            if not _is_number(getattr(self, name)) or not 0 <= getattr(self, name) <= 1:
                self._refuse(name, "it must be in [0, 1]")
        if not _is_pair(self.betas) or not all(_is_number(b) and 0 <= b < 1 for b in self.betas):
            self._refuse("betas", "they must be two numbers in [0, 1)")
        if self.precision not in ("auto", "float32", "bfloat16"):
            self._refuse("precision", "use auto, float32 or bfloat16")
        if not isinstance(self.sides, tuple) or not self.sides:
            self._refuse("sides", "it must list at least one")
        if not all(_is_whole(side, least=0) for side in self.sides):
            self._refuse("sides", "they must be whole numbers of at least 0")
        if not isinstance(self.align, bool):
            self._refuse("align", "it must be true or false")
        self._check_patches()

    def _check_patches(self) -> None:
        if not isinstance(self.patches, tuple) or not self.patches:
            self._refuse("patches", "it must list at least one (height, width)")
        for patch in self.patches:
            if not _is_pair(patch) or not all(_is_whole(side, least=1) for side in patch):
                self._refuse("patches", "each must be a (height, width) in pixels")
        rows, columns = self.network.size_multiple
        for height, width in self.patches:
            if height % rows or width % columns:
                raise ConfigError(
                    f"patches holds {height} x {width}; this network needs multiples of "
                    f"{rows} x {columns}"
                )

    def _refuse(self, name: str, rule: str) -> NoReturn:
        raise ConfigError(f"{name} is {getattr(self, name)!r}; {rule}")

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
            if not isinstance(values["network"], Mapping):
                raise ConfigError(f"network is {values['network']!r}; it must hold network fields")
            values["network"] = MaximConfig.from_dict(values["network"])
        return cls(**{name: _tuples(value) for name, value in values.items()})


def _tuples(value: Any) -> Any:
    """JSON knows lists only; a frozen configuration holds tuples."""
    return tuple(map(_tuples, value)) if isinstance(value, list | tuple) else value


def _is_pair(value: object) -> bool:
    return isinstance(value, tuple) and len(value) == 2


def _is_whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
