"""AVIF of 10 and 12 bits, of which Pillow returns 8."""

from __future__ import annotations

from typing import BinaryIO

import numpy as np
from PIL import ImageFile

from restore.media.codecs import assemble, pillow
from restore.media.formats import ICC
from restore.media.picture import Picture

_HEAD = 1 << 16
_CONFIGURATION = b"av1C"
_HIGH, _TWELVE = 0x40, 0x20


def bits(stream: BinaryIO) -> int:
    """A channel's: 8, 10 or 12, as the codec's configuration (AV1-ISOBMFF 2.3.3) says."""
    _, found, body = assemble.peeked(stream, _HEAD).partition(_CONFIGURATION)
    flags = body[2] if found and len(body) > 2 else 0
    if not flags & _HIGH:
        return 8
    return 12 if flags & _TWELVE else 10


def decode(stream: BinaryIO, file: ImageFile.ImageFile) -> Picture:
    """An AVIF that Pillow has identified as ``file``, in 16 bits."""
    import imagecodecs

    full = (1 << bits(stream)) - 1
    file.load()
    kept, turn, lost = pillow.carried(file)
    stream.seek(0)
    stored = imagecodecs.avif_decode(stream.read(), index=0)
    data = np.rint(np.minimum(stored, full) * (65535 / full)).astype(np.uint16)
    info = {ICC: file.info.get(ICC)} | kept
    return assemble.picture(assemble.upright(data, turn), info, (*pillow.frames(file), *lost))
