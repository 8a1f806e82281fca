"""JPEG compression of some images of a batch."""

from __future__ import annotations

from torch import Generator, Tensor

from restore.degrade.random import Range, chance, uniform


def maybe_jpeg(image: Tensor, generator: Generator, fraction: float, quality: Range) -> Tensor:
    """Compress a ``fraction`` of the images at qualities drawn uniformly; the others are unchanged.

    ``image`` is N x 3 x H x W in [0, 1], and so is the result. Applies the codec's transform and
    quantisation without rounding to 8 bits (kornia's `jpeg_codec_differentiable`).
    """
    n = image.shape[0]
    chosen = chance(n, image, generator, fraction)
    qualities = uniform(n, image, generator, *quality)
    if not bool(chosen.any()):
        return image
    from kornia.enhance import jpeg_codec_differentiable  # training must import without kornia

    compressed = jpeg_codec_differentiable(image[chosen], qualities[chosen])
    image = image.clone()
    image[chosen] = compressed.clamp(0, 1)
    return image
