"""Token views of a map whose grid mixing is confined to windows.

Each window is cut into cells like an image of its own. Blocks lie within any window, so windows
change nothing for them. ``window`` is height and width of a window, or None for one that is the
whole map.
"""

from __future__ import annotations

from torch import Tensor

from restore.networks.architecture import Pair
from restore.networks.token_views import GridView, TokenView


def split(view: TokenView, x: Tensor, window: Pair | None = None) -> Tensor:
    """Split N x H x W x C into more dimensions, in the order that `tokens_first` expects."""
    if window is None or not isinstance(view, GridView):
        return view.split(x)
    _, height, width, _ = x.shape
    (h, w), (down, across) = view.size, token_distance(view, x, window)
    # N x windows x h x down x windows x w x across x C
    x = x.unflatten(1, (height // window[0], h, down))
    return x.unflatten(4, (width // window[1], w, across))


def token_distance(view: TokenView, x: Tensor, window: Pair | None = None) -> Pair:
    """Return the rows and columns from a token to the next."""
    if not isinstance(view, GridView):
        return 1, 1
    height, width = window or x.shape[1:3]
    return height // view.size[0], width // view.size[1]


def tokens_first(view: TokenView, x: Tensor) -> Tensor:
    """Reorder a split map: token rows and columns are the first two dimensions."""
    return view.tokens_first(x) if x.ndim == 6 else x.permute(2, 5, 0, 1, 3, 4, 6, 7)


def tokens_back(view: TokenView, tokens: Tensor) -> Tensor:
    """Undo `tokens_first`."""
    return view.tokens_back(tokens) if tokens.ndim == 6 else tokens.permute(2, 3, 0, 4, 5, 1, 6, 7)


def joined(x: Tensor) -> Tensor:
    """Undo `split`: N x H x W x C, copied where the memory requires it."""
    extra = (x.ndim - 4) // 2
    return x.flatten(2 + extra, 2 + 2 * extra).flatten(1, 1 + extra)
