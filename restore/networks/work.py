"""How much of a forward pass is done: multiplications, counted while layers compute them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch import Tensor, nn

_own = threading.local()


@contextmanager
def counting(add: Callable[[float], object]) -> Iterator[None]:
    """Have ``add`` called with the multiplications of each layer that this thread computes.

    What ``add`` raises ends the forward pass.
    """
    outer = getattr(_own, "add", None)
    _own.add = add
    try:
        yield
    finally:
        _own.add = outer


@contextmanager
def counted_as(share: float) -> Iterator[None]:
    """Count only a share of the work: that for pixels which are not computed again elsewhere."""
    add = getattr(_own, "add", None)
    if add is None or share == 1:
        yield
        return
    with counting(lambda multiplications: add(share * multiplications)):
        yield


def done(result: Tensor, each: int) -> None:
    """Count a layer: ``each`` multiplications for every number of ``result``."""
    add = getattr(_own, "add", None)
    if add is not None:
        add(result.numel() * each)


def count_layers(network: nn.Module) -> None:
    """Have the layers of a network count themselves, which those of `restore.networks.fast` do."""
    for module in network.modules():
        weight = getattr(module, "weight", None)
        if isinstance(weight, nn.Parameter) and weight.ndim > 1:
            module.register_forward_hook(_count)


def _count(module: nn.Module, inputs: object, result: Tensor) -> None:
    weight = module.weight
    assert isinstance(weight, Tensor)
    done(result, weight[0].numel())
