"""Writing of TIFF by tifffile; EXIF is added afterwards."""

from __future__ import annotations

import io

from restore.media import assembly
from restore.media.formats.tiff.tags import put_exif, write_options
from restore.media.picture import Picture


def encode(picture: Picture) -> bytes:
    import tifffile

    data = assembly.stacked(picture)
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, data, **write_options(picture.info, data.shape, data.dtype))
    put_exif(buffer, picture.info)
    return buffer.getvalue()
