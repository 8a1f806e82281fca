"""Conversion between callers' images and the arrays that the engine restores."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from restore.engine import pixels
from restore.errors import ImageError

if TYPE_CHECKING:
    import PIL.Image
    import torch

Image = TypeVar("Image", np.ndarray, "torch.Tensor", "PIL.Image.Image")
"""An image of any kind that the engine takes; results are of the same kind."""

_LEAST, _MOST = -8.0, 9.0
"""Floats beyond these are no noisy image in [0, 1], but one of 0 to 255, or highlights to be
clipped."""
_CHANNELS = (1, 3, 4)
_PIL_MODES = {"L": "L", "RGB": "RGB", "I;16": "I;16", "F": "F", "LA": "L", "RGBA": "RGB"}
"""Modes of PIL images, and of their colours without alpha."""


@dataclass(frozen=True)
class Converted:
    """A caller's image in the form that the engine restores.

    ``arrays``: the image, or all of a batch, of one shape: H x W x 3 or H x W, uint8, uint16 or
    float32. ``back``: converts as many results to the caller's kind, shape, dtype and device.
    """

    arrays: Sequence[np.ndarray]
    back: Callable[[Sequence[np.ndarray]], Any]


def convert(image: Any, *, copy: bool = False) -> Converted:
    """Convert an image of any kind that `Restorer` accepts.

    ``copy``: whether the arrays stay unchanged when the caller changes the image.

    Raises `ImageError` for anything else, for NaN and infinity, and for floats far outside [0, 1].
    """
    if "torch" in sys.modules and isinstance(image, sys.modules["torch"].Tensor):
        return _from_tensor(image, copy)
    if isinstance(image, np.ndarray):
        return _from_array(image.copy() if copy else image)
    if "PIL.Image" in sys.modules and isinstance(image, sys.modules["PIL.Image"].Image):
        return _from_pil(image)
    kind = type(image).__name__
    hint = "; files are for restore.restore_file" if _is_path(image) else ""
    raise ImageError(f"expected a numpy array, a torch tensor or a PIL image, got {kind}{hint}")


def _is_path(image: object) -> bool:
    return isinstance(image, str) or hasattr(image, "__fspath__")


def _from_array(array: np.ndarray) -> Converted:
    """Convert H x W, or H x W x 1, 3 or 4; the fourth channel is alpha."""
    shape, dtype = array.shape, array.dtype
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] not in _CHANNELS):
        turned = len(shape) == 3 and shape[0] in _CHANNELS
        hint = "; use image.transpose(1, 2, 0)" if turned else ""
        raise ImageError(
            f"expected an array H x W x 3, H x W x 4, H x W x 1 or H x W, got shape {shape}{hint}"
        )
    colours, alpha = array, None
    if len(shape) == 3 and shape[2] == 1:
        colours = array[..., 0]
    elif len(shape) == 3 and shape[2] == 4:
        colours, alpha = array[..., :3], array[..., 3:]
    colours = _in_known_type(colours)
    pixels.check(colours)

    def back(results: Sequence[np.ndarray]) -> np.ndarray:
        (result,) = results
        if alpha is None:
            return result.astype(dtype, copy=False).reshape(shape)
        whole = np.empty(shape, dtype)
        whole[..., :3], whole[..., 3:] = result, alpha
        return whole

    return Converted([colours], back)


def _in_known_type(array: np.ndarray) -> np.ndarray:
    """Convert floats of any width to float32, and any byte order to the machine's."""
    if array.dtype.kind != "f":
        return array.astype(array.dtype.newbyteorder("="), copy=False)
    if array.size:
        low, high = float(array.min()), float(array.max())
        if np.isfinite(low) and np.isfinite(high) and not _LEAST <= low <= high <= _MOST:
            raise ImageError(
                f"floats range from {low:g} to {high:g}, far outside [0, 1]; use image / 255 for "
                "8-bit values, or np.clip(image, 0, 1)"
            )
    return array.astype(np.float32, copy=False)


def _from_tensor(tensor: torch.Tensor, copy: bool) -> Converted:
    """Convert H x W; C x H x W or H x W x C; N x C x H x W; with 1, 3 or 4 channels."""
    import torch

    shape, device, dtype = tensor.shape, tensor.device, tensor.dtype
    order = _order(shape)
    if not tensor.is_floating_point() and dtype not in (torch.uint8, torch.uint16):
        name = str(dtype).removeprefix("torch.")
        raise ImageError(f"expected uint8, uint16 or float pixels, got {name}")
    kept = torch.float32 if tensor.is_floating_point() else dtype
    array = tensor.detach().to("cpu", kept, copy=copy).numpy().transpose(order)
    images = [_from_array(one) for one in (array if array.ndim == 4 else array[None])]

    def back(results: Sequence[np.ndarray]) -> torch.Tensor:
        pairs = zip(images, results, strict=True)
        restored = np.stack([image.back([result]) for image, result in pairs])
        restored = restored.reshape(array.shape).transpose(np.argsort(order))
        return torch.from_numpy(np.ascontiguousarray(restored)).to(device, dtype)

    return Converted([image.arrays[0] for image in images], back)


def _order(shape: Sequence[int]) -> tuple[int, ...]:
    """Return the axes of a tensor in the order (N,) H, W, C. If both ends could be channels, they
    come first, as in torch."""
    if len(shape) == 2:
        return 0, 1
    if len(shape) == 3 and shape[0] in _CHANNELS:
        return 1, 2, 0
    if len(shape) == 3 and shape[2] in _CHANNELS:
        return 0, 1, 2
    if len(shape) == 4 and shape[1] in _CHANNELS and shape[0]:
        return 0, 2, 3, 1
    raise ImageError(
        "expected a tensor 3 x H x W, N x 3 x H x W, H x W x 3 or H x W, or with 1 or 4 channels, "
        f"got shape {tuple(shape)}"
    )


def _from_pil(image: PIL.Image.Image) -> Converted:
    """Convert a PIL image; palettes become RGB or RGBA, and bilevel images L."""
    import PIL.Image

    try:
        if image.mode in ("P", "PA"):
            clear = image.mode == "PA" or "transparency" in image.info
            image = image.convert("RGBA" if clear else "RGB")
        elif image.mode == "1":
            image = image.convert("L")
        mode, info = image.mode, dict(image.info)
        if mode not in _PIL_MODES:
            raise ImageError(
                f"PIL images of mode {mode} are not supported; use image.convert('RGB')"
            )
        alpha = image.getchannel("A") if mode in ("LA", "RGBA") else None
        array = np.asarray(image if alpha is None else image.convert(_PIL_MODES[mode]))
    except (OSError, SyntaxError) as error:  # PIL decodes at first use
        raise ImageError(f"the PIL image cannot be decoded: {error}") from error
    converted = _from_array(array)

    def back(results: Sequence[np.ndarray]) -> PIL.Image.Image:
        result = PIL.Image.fromarray(converted.back(results))
        if alpha is not None:
            result.putalpha(alpha)
        result.info = info
        return result

    return Converted(converted.arrays, back)
