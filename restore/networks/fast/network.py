"""MAXIM made fast: the same function of the same parameters, for inference."""

from __future__ import annotations

from torch import Tensor, nn

from restore.networks.base import check_size
from restore.networks.fast.stage import FastStage, RemainingFeatures
from restore.networks.fast.strips import WHOLE, WholeMaps
from restore.networks.maxim.network import Maxim, image_from_pixels, scaled_pixels
from restore.networks.maxim.stage import Stage


class FastMaxim(nn.Module):
    """A loaded `Maxim`, made fast; parameters are shared, and their names stay."""

    def __init__(self, plain: Maxim):
        super().__init__()
        self.config = plain.config
        self.stages = nn.ModuleList(FastStage(s) for s in plain.stages if isinstance(s, Stage))

    def forward(self, x: Tensor, walk: WholeMaps = WHOLE) -> Tensor:
        """Restore N x 3 x H x W images, RGB in [0, 1]; the result may leave that range.

        ``walk`` says how layers traverse a map, and to which windows far mixing is confined. Raises
        `SizeError` where H or W is not a multiple of ``config.size_multiple`` times the number of
        windows.
        """
        multiples = zip(self.config.size_multiple, walk.windows, strict=True)
        rows, columns = (multiple * count for multiple, count in multiples)
        check_size(x, (rows, columns))
        images = scaled_pixels(x, self.config)
        features: RemainingFeatures | None = None
        for stage in self.stages:
            features = stage(images, features, walk)
        assert features is not None
        assert features.restored is not None
        return image_from_pixels(features.restored, self.config)
