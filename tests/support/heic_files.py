"""HEIC as phones write it: tiles, Display P3, a rotation, a gain map and a depth map."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pillow_heif

from restore.media.formats import heif_items
from restore.media.formats.heif_items import HeifItem
from restore.media.formats.isobmff import box

GAIN_MAP = b"urn:com:apple:photo:2020:aux:hdrgainmap\0"
DEPTH = b"urn:mpeg:hevc:2015:auxid:2\0"
ABOUT_THE_MAP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><HDRGainMap:HDRGainMapVersion/></x:xmpmeta>'


def heic(pixels: np.ndarray, **options: Any) -> bytes:
    mode = "RGB" if pixels.ndim == 3 else "L"
    if pixels.dtype == np.uint16:
        mode += ";16"
    file = pillow_heif.from_bytes(mode, pixels.shape[1::-1], np.ascontiguousarray(pixels).tobytes())
    buffer = io.BytesIO()
    file.save(buffer, **{"quality": 80} | options)
    return buffer.getvalue()


def small_map(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[: height // 2, : width // 2]
    return ((x * 3 + y * 5) % 200).astype(np.uint8)


def phone(pixels: np.ndarray, angle: int = 0, toned: bool = False, **options: Any) -> bytes:
    """Stored ``pixels``, to be turned anticlockwise by ``angle`` quarters; ``toned`` adds the
    derived image of ISO 21496-1."""
    file = heif_items.read(heic(pixels, tile_size=64, **options))
    turn = ((box(b"irot", bytes((angle,))), True),) if angle else ()
    file = file.with_image(replace(file.image, properties=(*file.image.properties, *turn)))
    of = (b"auxl", (file.primary,))
    for kind, said in ((GAIN_MAP, ABOUT_THE_MAP), (DEPTH, b"")):
        image = heif_items.read(heic(small_map(*pixels.shape[:2]))).image
        named = ((box(b"auxC", bytes(4), kind), True), *turn)
        image = replace(image, properties=(*image.properties, *named), hidden=True)
        file = file.adding(image, of)
        number = max(file.items)
        if said:
            entry = b"\0application/rdf+xml\0"
            file = file.adding(HeifItem(b"mime", said, entry=entry), (b"cdsc", (number,)))
        if said and toned:
            shape = tuple(p for p in image.properties if p[0][4:8] in (b"ispe", b"pixi"))
            tone = HeifItem(b"tmap", bytes(62), shape)
            file = file.adding(tone, (b"dimg", (file.primary, number)))
            file = replace(file, groups=((b"altr", (max(file.items), file.primary)),))
    return heif_items.write(file)
