"""The input of a layer, kept as the feature maps it is made of until the layer needs it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from restore.networks.fast.strips import Run, WholeMaps

Layer = Callable[[Sequence[Tensor]], Tensor]


def _unchanged(*maps: Tensor) -> Sequence[Tensor]:
    return maps


@dataclass(frozen=True)
class PendingInput:
    """Feature maps to be concatenated into a layer's input.

    Consuming them releases the references, so memory can be freed. The input is made strip by strip
    when it is needed, by ``made(*maps)``.
    """

    maps: list[Tensor]
    made: Callable[..., Sequence[Tensor]] = _unchanged
    halo: int = 0
    """Rows around a row of the input that it depends on."""
    height: int | None = None
    """Of the input; by default that of the first map."""

    def through(
        self, layer: Layer, walk: WholeMaps, halo: int = 0, height: int | None = None
    ) -> Tensor:
        """Consume the input: return the result of a layer that reads ``halo`` rows around each row
        and changes the height to ``height``."""
        result = self._run(layer, walk, halo, height)
        self.maps.clear()
        return result

    def held(self, layer: Layer, walk: WholeMaps) -> tuple[Tensor, PendingInput]:
        """Return the result of a layer, and an input from which it can be had once more: itself, or
        these maps where recomputing is cheaper than storing."""
        result = self._run(layer, walk)
        if not walk.recomputes:
            self.maps.clear()
            return result, PendingInput([result])
        made = self.made
        again = PendingInput(
            self.maps, lambda *maps: [layer(made(*maps))], self.halo, result.shape[1]
        )
        return result, again

    def combined(self, run: Run, *maps: Tensor, walk: WholeMaps, into: Tensor) -> Tensor:
        """Consume the input, which is one map: return ``run(input, *maps)``, pixel by pixel.

        ``into`` is that of `WholeMaps.rows`.
        """
        own = len(self.maps)

        def both(*strips: Tensor) -> Tensor:
            (part,) = self.made(*strips[:own])
            return run(part, *strips[own:])

        # Rows of ``into`` that are written already return in the halo of the next strip; results
        # made of them are cut off.
        every = (*self.maps, *maps)
        result = walk.rows(both, *every, height=into.shape[1], halo=self.halo, into=into)
        self.maps.clear()
        return result

    def preceded(self, first: Run, x: Tensor) -> PendingInput:
        """Return this input with ``first(x)`` before its first map."""
        self.maps.insert(0, x)
        return PendingInput(
            self.maps,
            lambda x, *strips: (first(x), *self.made(*strips)),
            self.halo,
            self.height,
        )

    def _run(
        self, layer: Layer, walk: WholeMaps, halo: int = 0, height: int | None = None
    ) -> Tensor:
        return walk.rows(
            lambda *strips: layer(self.made(*strips)),
            *self.maps,
            height=height or self.height or self.maps[0].shape[1],
            halo=self.halo + halo,
        )
