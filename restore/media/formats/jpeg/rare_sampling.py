"""JPEG with chroma subsampled 4:4:0, 4:1:1 or 4:1:0, which Pillow reads but cannot write.

OpenCV writes it with the standard quantisation tables only: those next to the input's are used.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any

import numpy as np
from PIL import Image, ImageFile

from restore.media.formats import pillow_helpers
from restore.media.formats.jpeg.marker_segments import (
    APPLICATION,
    COMMENT,
    place_for_more,
    segment,
    segments,
)
from restore.media.picture import Picture

_BY_RATIO: dict[tuple[int, int], int | str] = {
    **{(1, 1): 0, (2, 1): 1, (2, 2): 2},
    **{(1, 2): "440", (4, 1): "411"},
}
"""Chroma subsampling by luma samples per chroma sample, (across, down): Pillow's numbers, and names
of those that Pillow lacks."""


def rare_sampling(file: ImageFile.ImageFile) -> int | str | None:
    """Return the subsampling of a colour JPEG where Pillow tells none: "440", "411", or Pillow's
    number, if factors are not the smallest, as FFmpeg writes them. None for any other."""
    layers = [layer[1:3] for layer in getattr(file, "layer", ())]
    if len(layers) != 3 or layers[1] != layers[2]:
        return None
    (luma_across, luma_down), (across, down) = layers[:2]
    if luma_across % across or luma_down % down:
        return None
    return _BY_RATIO.get((luma_across // across, luma_down // down))


def encode_rare(picture: Picture, keeps: Iterable[str], options: dict[str, Any]) -> bytes:
    """Encode colours as `pillow_helpers.encode` does, with ``options["subsampling"]`` "440" or
    "411"."""
    import cv2

    sampling = options.pop("subsampling")
    qualities = options.get("qtables")
    luma, chroma = (
        (_nearest(qualities[0]), _nearest(qualities[-1], chroma=len(qualities) > 1))
        if qualities
        else (options["quality"],) * 2
    )
    choices = {
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR: getattr(cv2, f"IMWRITE_JPEG_SAMPLING_FACTOR_{sampling}"),
        cv2.IMWRITE_JPEG_PROGRESSIVE: int(options["progressive"]),
        cv2.IMWRITE_JPEG_QUALITY: luma,
        cv2.IMWRITE_JPEG_LUMA_QUALITY: luma,
        cv2.IMWRITE_JPEG_CHROMA_QUALITY: chroma,
    }
    pairs = [number for pair in choices.items() for number in pair]
    done, content = cv2.imencode(".jpg", np.ascontiguousarray(picture.pixels[..., ::-1]), pairs)
    if not done:
        raise OSError("OpenCV cannot encode it")
    # The metadata is that of a small picture by Pillow.
    small = picture.with_pixels(picture.pixels[:8, :8])
    head = pillow_helpers.encode(small, "JPEG", keeps, **options)
    kept = (
        segment(found.marker, found.body)
        for found in segments(io.BytesIO(head))
        if found.marker in APPLICATION or found.marker == COMMENT
    )
    coded = content.tobytes()
    return b"".join((coded[:2], *kept, coded[place_for_more(coded) :]))


def _nearest(table: list[int], chroma: bool = False) -> int:
    """Return the quality, 1 to 100, of the standard table next to a quantisation table."""

    def distance(quality: int) -> float:
        buffer = io.BytesIO()
        Image.new("RGB", (8, 8)).save(buffer, "JPEG", quality=quality)
        with Image.open(buffer) as file:
            standard = getattr(file, "quantization", {})[int(chroma)]
        return float(np.abs(np.log(np.array(standard) / np.maximum(1, table))).sum())

    return min(range(1, 101), key=distance)
