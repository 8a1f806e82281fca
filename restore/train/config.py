"""Every choice of a training run, in one place."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, NoReturn

from restore.errors import ConfigError
from restore.networks import (
    NetworkConfig,
    architecture_named,
    config_from_dict,
    config_to_dict,
)
from restore.networks.maxim import MaximConfig
from restore.spelling import did_you_mean

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
"""The network of the shipped small models: a U-Net of two levels at half resolution, with 1.7
million parameters.

The cross-gating of every level and the bottleneck mix near and far pixels; encoders and decoders
have no multi-axis blocks. Wide and shallow networks learned fastest on a CPU: weights/TRAINING.md
has the races."""

LARGEST_SEED = 2**63 - 1
_AT_LEAST = {
    "seed": 0,
    "steps": 1,
    "pixels_per_step": 1,
    "batches_per_step": 1,
    "warmup_steps": 0,
    "validate_every": 1,
    "target_draws": 1,
}
_ABOVE_ZERO = ("learning_rate", "clip_norm", "charbonnier_eps")
_LOSSES = ("charbonnier_weight", "fft_weight", "psnr_weight")
_NOT_NEGATIVE = ("weight_decay", *_LOSSES)
_TEXTS = ("task", "init", "target_model")
_FRACTIONS = (
    "final_learning_rate",
    "ema_decay",
    "holdout",
    "plain",
    "graphics",
    "untouched",
)


@dataclass(frozen=True)
class TrainConfig:
    """The choices of a run. Together with the training pictures they determine its weights.

    Lengths are in optimizer steps. `from_dict` names the field of a value it rejects.
    """

    task: str = "denoise"
    """Head that is trained; its recipe in `restore.degrade` makes the degraded patches."""
    init: str = ""
    """Model to start from: its name or file, then the SHA-256 of its weights, which may be left
    out. Empty for fresh weights."""
    network: NetworkConfig = field(default_factory=lambda: SMALL)
    """Shape of the network. With ``init`` it is the model's."""
    seed: int = 0
    """Seed of the initial weights, of the patches drawn and of their degradation."""
    steps: int = 20_000
    """Optimizer steps. A finished run goes on if this is raised (`Schedule`)."""
    pixels_per_step: int = 4 * 64 * 64
    """Pixels in a batch, cut into as many patches of one size as fit."""
    patches: tuple[tuple[int, int], ...] = (*((64, 64),) * 5, (64, 128), *((128, 128),) * 2)
    """Patch sizes (height, width) in pixels; one is drawn for each batch. Most are small:
    the same number of pixels then shows more places, which suits a CPU (weights/TRAINING.md). The
    larger ones prepare the model for large images."""
    sides: tuple[int, ...] = (0,)
    """Lengths in pixels to which the shorter side of every picture is reduced; the training set
    holds one copy for each. 0 keeps the size. A patch of a reduced picture shows a whole scene,
    which the heads for haze and low light have to judge."""
    plain: float = 0.0
    """Fraction of patches replaced by synthetic ones that must stay unchanged
    (`restore.degrade.plain`)."""
    graphics: float = 0.0
    """Fraction of patches that are drawings or text pages, to be left unchanged
    (`restore.degrade.graphics`)."""
    untouched: float = 0.0
    """Fraction of patches whose clean side is also the input, to be left unchanged."""
    align: bool = False
    """Whether inputs of pairs are warped onto their targets first. Averaged frames need this: their
    sharp target lies off the middle of the motion."""
    target_model: str = ""
    """Model that makes the targets of ``--rehearse`` and ``--distill``, written like ``init``."""
    target_draws: int = 1
    """Degraded versions of each ``--distill`` picture."""
    supervision: str = "all"
    """Outputs that count in the loss: "all" (every stage and scale, as the paper) or "finest" (the
    full-size output of every stage). Use "finest" for a network whose coarse outputs were never
    trained."""
    learning_rate: float = 1e-3
    """Highest learning rate, reached after the warm-up."""
    final_learning_rate: float = 0.01
    """Learning rate at the end of the cosine, as a fraction of the highest."""
    warmup_steps: int = 200
    """Steps over which the learning rate rises linearly."""
    betas: tuple[float, float] = (0.9, 0.99)
    """Decay rates of AdamW's two moments."""
    weight_decay: float = 0.0
    """Weight decay of AdamW."""
    clip_norm: float = 0.5
    """Largest global norm of the gradient; larger gradients are scaled down to it."""
    ema_decay: float = 0.999
    """Decay per step of the average of the weights, which is what gets validated and exported."""
    charbonnier_weight: float = 1.0
    """Weight of the Charbonnier loss."""
    charbonnier_eps: float = 1e-3
    """Rounding of the Charbonnier loss at zero, for images in [0, 1]."""
    fft_weight: float = 0.05
    """Weight of the L1 loss between spectra."""
    psnr_weight: float = 0.0
    """Weight of minus the PSNR in dB, a mean over images. 0.003 gives it gradients about as large
    as the Charbonnier loss has."""
    batches_per_step: int = 1
    """Batches of ``pixels_per_step`` in a step, shared by the devices or computed one after the
    other. Up to rounding, the result is the same."""
    holdout: float = 1 / 16
    """Fraction of the pictures of every folder that is held out for validation."""
    validate_every: int = 500
    """Steps between two validations. One more precedes the first step."""
    precision: str = "auto"
    """"float32", "bfloat16" (autocast), or "auto": bfloat16 where the hardware multiplies it."""

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
        if self.supervision not in ("all", "finest"):
            self._refuse("supervision", "use all or finest")
        for name in _TEXTS:
            if not isinstance(getattr(self, name), str):
                self._refuse(name, "it must be text")
        if not isinstance(self.sides, tuple) or not self.sides:
            self._refuse("sides", "it must list at least one")
        if not all(_is_whole(side, least=0) for side in self.sides):
            self._refuse("sides", "they must be whole numbers of at least 0")
        if not any(getattr(self, name) for name in _LOSSES):
            self._refuse("charbonnier_weight", "some loss must have a weight above 0")
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
        """Return the fields as values that JSON can hold."""
        return asdict(self) | {"network": config_to_dict(self.network)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrainConfig:
        """Build a configuration from what `to_dict` returns, also after a round trip through JSON.

        Fields left out have their defaults. Raises `ConfigError` for a wrong value, and for an
        unknown field, naming the nearest known one.
        """
        values = dict(values)
        _check_known("training", values, [f.name for f in fields(cls)])
        if "network" in values:
            values["network"] = network_from(values["network"])
        return cls(**{name: _tuples(value) for name, value in values.items()})


def network_from(values: Any) -> NetworkConfig:
    """Build a network's configuration from the ``network`` field of a training configuration.

    Raises `ConfigError` naming the field.
    """
    if not isinstance(values, Mapping):
        raise ConfigError(f"network is {values!r}; it must be an object of network fields")
    for name in ("architecture", "variant"):
        if not isinstance(values.get(name, ""), str):
            raise ConfigError(f"network.{name} is {values[name]!r}; it must be text")
    try:
        own = [field.name for field in fields(architecture_named(values).config_type)]
    except ConfigError as error:
        raise ConfigError(f"network.{error}") from error
    _check_known("network", values, ["architecture", "variant", *own])
    try:
        return config_from_dict(values)
    except ConfigError as error:
        raise ConfigError(f"network.{error}") from error


def _check_known(kind: str, values: Mapping[str, Any], known: Collection[str]) -> None:
    for name in values:
        if name not in known:
            raise ConfigError(f"unknown {kind} field {name!r}{did_you_mean(name, known)}")


def _tuples(value: Any) -> Any:
    """Turn the lists that JSON has into tuples, which can be hashed."""
    return tuple(map(_tuples, value)) if isinstance(value, list | tuple) else value


def _is_pair(value: object) -> bool:
    return isinstance(value, tuple) and len(value) == 2


def _is_whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= sys.float_info.max  # also of integers too large for a float
