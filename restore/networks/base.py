"""The base class of all networks, which checkpoints, engine and training rely on."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor, nn

from restore.errors import SizeError
from restore.networks.architecture import NetworkConfig, Pair


class RestorationNetwork(nn.Module):
    """A network from degraded images to restored ones.

    Parameters are left uninitialised by the constructor: load a checkpoint, or call
    `restore.networks.initialise` to train from scratch.
    """

    config: NetworkConfig

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Restore N x 3 x H x W images, RGB in [0, 1]; the result may leave that range.

        Computes only what that result needs. Raises `SizeError` where H or W is not a multiple of
        ``config.size_multiple``.
        """

    @abstractmethod
    def outputs(self, x: Tensor) -> list[list[Tensor]]:
        """Return every supervised image, for training.

        Per stage, from the coarsest scale to the finest; each N x 3 x H / 2**k x W / 2**k. The
        target of scale k is ``nearest_shrink(clean, k)``; the restored image is
        ``outputs(x)[-1][-1]``. Raises `SizeError`.
        """

    def first_stages(self, count: int) -> RestorationNetwork:
        """Return the network that stops after ``count`` stages, on the same parameters.

        It computes ``outputs(x)[count - 1][-1]``. Raises `ValueError` where ``count`` is not
        between 1 and ``config.num_stages``.
        """
        if not 1 <= count <= self.config.num_stages:
            raise ValueError(f"stages is {count}; it must be from 1 to {self.config.num_stages}")
        return self if count == self.config.num_stages else self._shortened(count)

    def _shortened(self, count: int) -> RestorationNetwork:
        raise NotImplementedError  # only for networks of several stages


def check_size(x: Tensor, multiple: Pair) -> None:
    """Raise `SizeError` unless ``x`` is N x 3 x H x W with H and W multiples of ``multiple``."""
    if x.ndim != 4 or x.shape[1] != 3:
        raise SizeError(f"expected N x 3 x H x W, got {' x '.join(map(str, x.shape))}")
    rows, columns = multiple
    if x.shape[2] % rows or x.shape[3] % columns or 0 in x.shape:
        raise SizeError(
            f"cannot take {x.shape[3]} x {x.shape[2]} pixels: width must be a multiple of "
            f"{columns} and height of {rows}"
        )


def nearest_shrink(x: Tensor, log2_ratio: int) -> Tensor:
    """Shrink N x C x H x W by ``2**log2_ratio``: take pixel floor((k + 0.5) * 2**log2_ratio)."""
    if log2_ratio == 0:
        return x
    ratio = 2**log2_ratio
    return x[:, :, ratio // 2 :: ratio, ratio // 2 :: ratio]
