"""Identify a set of official parameters: its digest, and its variant."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

import numpy as np

from restore.networks.maxim import VARIANTS

_STAGE = re.compile(r"stage_(\d{1,3})_")
_COARSE = re.compile(r"stage_(\d{1,3})_output_conv_[1-9]\d*/")


def digest(arrays: Mapping[str, np.ndarray]) -> str:
    """Return the SHA-256 of official parameters, equal for every file layout.

    It covers official names in sorted order, shapes (1 x 1 x in x out counts as in x out), and
    values as little-endian float32. The coarse outputs of the last stage are excluded, since not
    every layout contains them.
    """
    last = _stages(arrays) - 1
    sha = hashlib.sha256()
    for name in sorted(arrays):
        coarse = _COARSE.match(name)
        if coarse and int(coarse[1]) == last:
            continue
        array = arrays[name]
        shape = array.shape[2:] if array.ndim == 4 and array.shape[:2] == (1, 1) else array.shape
        sha.update(f"{name} {'x'.join(map(str, shape))}\n".encode())
        sha.update(np.ascontiguousarray(array, "<f4").data)
    return sha.hexdigest()


def variant_of(arrays: Mapping[str, np.ndarray]) -> str | None:
    """Return the variant with the same number of stages and features, or None."""
    kernel = arrays.get("stage_0_input_conv_0/kernel")
    if kernel is None or kernel.ndim != 4:
        return None
    size = (_stages(arrays), kernel.shape[-1])
    for name, config in VARIANTS.items():
        if (config.num_stages, config.features) == size:
            return name
    return None


def _stages(arrays: Mapping[str, np.ndarray]) -> int:
    numbers = (_STAGE.match(name) for name in arrays)
    return max((int(number[1]) for number in numbers if number), default=0) + 1
