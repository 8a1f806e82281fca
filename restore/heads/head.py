"""The declaration of a head, which holds everything that depends on the head."""

from __future__ import annotations

from dataclasses import dataclass

FAST, STANDARD, BEST = "fast", "standard", "best"
QUALITIES = (FAST, STANDARD, BEST)


@dataclass(frozen=True)
class Head:
    """One kind of restoration, by names only: recipes, methods, metrics and models are looked up
    where they are used, so that a head imports nothing.

    Empty fields mean that the head has none: a head without models works with any installed model
    of its name, and one without a recipe cannot be trained.
    """

    name: str
    """The command and the task on a model's card."""
    summary: str
    """One sentence for ``restore --help``, in the imperative."""
    fast: str = ""
    """Model of quality "fast"."""
    standard: str = ""
    """Model of quality "standard", the default. Where it is not installed, the next of `models`."""
    best: str = ""
    """Model of quality "best": the official checkpoint that ``restore weights pull HEAD`` gets."""
    others: tuple[str, ...] = ()
    """Further known models, used by default where none of the three is installed."""
    degradation: str = ""
    """Recipe of `restore.degrade.recipes` that the head is trained to undo."""
    finding: str = ""
    """Finding of `restore.inspect` that the head is suggested for."""
    reduce_to: int = 0
    """Pixels of the shorter side at which a model is shown an image, if its card has no measured
    tile policy. Set by heads that judge a whole scene; 0 shows every pixel, in tiles."""
    changes_light: bool = False
    """Whether the head is asked to change brightness and colours."""
    rivals: tuple[str, ...] = ()
    """Methods of `restore.evaluate.classical` without training, for ``restore eval --methods``."""
    metrics: tuple[str, ...] = ()
    """Metrics of `restore.evaluate.protocol` besides PSNR and SSIM."""

    @property
    def models(self) -> tuple[str, ...]:
        """Names of all known models, in the order in which they are tried by default."""
        names = (self.standard, self.fast, self.best, *self.others)
        return tuple(dict.fromkeys(name for name in names if name))
