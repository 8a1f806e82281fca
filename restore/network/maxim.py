"""MAXIM, the network: pictures in, restored pictures out."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from restore.errors import SizeError
from restore.network.config import MaximConfig, Pair
from restore.network.layers import nearest_shrink, to_channels_first, to_channels_last
from restore.network.stage import Stage, StageFeatures
from restore.network.strips import WHOLE, Whole


class Maxim(nn.Module):
    """MAXIM of any configuration (arXiv 2201.02973, figure 2).

    Parameters are left uninitialised: load a checkpoint, or call
    `restore.network.initialise` to train from scratch.
    """

    def __init__(self, config: MaximConfig):
        super().__init__()
        self.config = config
        self.stages = nn.ModuleList(Stage(config, s) for s in range(config.num_stages))

    def forward(self, x: Tensor, walk: Whole = WHOLE) -> Tensor:
        """Restore N x 3 x H x W pictures, RGB in [0, 1]; the result may leave that range.

        Computes only what that result needs, as ``walk`` says. Raises `SizeError` where H or W is
        not a multiple of ``config.size_multiple``, times the number of windows of ``walk``.
        """
        return self._to_picture(self._run(x, finest_only=True, walk=walk)[-1].images[0])

    def outputs(self, x: Tensor) -> list[list[Tensor]]:
        """Every supervised picture, for training: per stage, from the coarsest scale to the
        finest; each N x 3 x H / 2**k x W / 2**k. The restored picture is ``outputs(x)[-1][-1]``.
        """
        stages = self._run(x, finest_only=False)
        return [[self._to_picture(image) for image in s.images[::-1]] for s in stages]

    def _run(self, x: Tensor, finest_only: bool, walk: Whole = WHOLE) -> list[StageFeatures]:
        self._check_size(x, walk.windows)
        pictures = [
            self._from_picture(nearest_shrink(x, i))
            for i in range(self.config.num_supervision_scales)
        ]
        done: list[StageFeatures] = []
        for stage in self.stages:
            done.append(stage(pictures, done[-1] if done else None, finest_only, walk))
        return done

    def _from_picture(self, x: Tensor) -> Tensor:
        """N x 3 x H x W to N x H/r x W/r x 3 r**2, contiguous, for stem factor r."""
        if self.config.stem_factor > 1:
            x = F.pixel_unshuffle(x, self.config.stem_factor)
        return to_channels_last(x).contiguous()

    def _to_picture(self, x: Tensor) -> Tensor:
        x = to_channels_first(x)
        return F.pixel_shuffle(x, self.config.stem_factor) if self.config.stem_factor > 1 else x

    def _check_size(self, x: Tensor, windows: Pair) -> None:
        if x.ndim != 4 or x.shape[1] != 3:
            raise SizeError(f"expected N x 3 x H x W, got {' x '.join(map(str, x.shape))}")
        rows, columns = (m * n for m, n in zip(self.config.size_multiple, windows, strict=True))
        if x.shape[2] % rows or x.shape[3] % columns or 0 in x.shape:
            raise SizeError(
                f"cannot take {x.shape[3]} x {x.shape[2]} pixels: width must be a multiple of "
                f"{columns} and height of {rows}"
            )
