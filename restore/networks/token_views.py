"""The two splits of MAXIM and MaxViT: blocks (near pixels) and grids (far pixels).

A *block* split cuts the image into windows of h x w pixels; the tokens that are mixed are the
pixels of one window. A *grid* split cuts the image into h x w equal cells; the tokens are the
pixels at the same offset in every cell.
"""

from __future__ import annotations

from torch import Tensor

from restore.networks.architecture import Pair


class TokenView:
    """View an N x H x W x C map as tokens, without copying; ``size`` is h x w tokens."""

    def __init__(self, size: Pair):
        self.size = size

    def split(self, x: Tensor) -> Tensor:
        """Split height and width: N x H1 x H2 x W1 x W2 x C."""
        raise NotImplementedError

    def tokens_first(self, x: Tensor) -> Tensor:
        """Reorder a split map: token rows and columns are the first two dimensions."""
        raise NotImplementedError

    def tokens_back(self, tokens: Tensor) -> Tensor:
        """Undo `tokens_first`."""
        raise NotImplementedError

    def joined(self, x: Tensor) -> Tensor:
        """Undo `split`: N x H x W x C, copied where the memory requires it."""
        return x.flatten(3, 4).flatten(1, 2)


class BlockView(TokenView):
    """Tokens are the pixels of one window of h x w pixels."""

    def split(self, x: Tensor) -> Tensor:
        _, height, width, _ = x.shape
        h, w = self.size
        return x.unflatten(1, (height // h, h)).unflatten(3, (width // w, w))

    def tokens_first(self, x: Tensor) -> Tensor:
        return x.permute(2, 4, 0, 1, 3, 5)

    def tokens_back(self, tokens: Tensor) -> Tensor:
        return tokens.permute(2, 3, 0, 4, 1, 5)


class GridView(TokenView):
    """Tokens are the pixels at one offset in all of h x w cells."""

    def split(self, x: Tensor) -> Tensor:
        _, height, width, _ = x.shape
        h, w = self.size
        return x.unflatten(1, (h, height // h)).unflatten(3, (w, width // w))

    def tokens_first(self, x: Tensor) -> Tensor:
        return x.permute(1, 3, 0, 2, 4, 5)

    def tokens_back(self, tokens: Tensor) -> Tensor:
        return tokens.permute(2, 0, 3, 1, 4, 5)
