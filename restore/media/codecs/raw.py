"""Raw files of cameras, by LibRaw: an extra, and for reading alone."""

from __future__ import annotations

from typing import BinaryIO

from restore.errors import ImageError
from restore.media import metadata
from restore.media.codecs import assemble
from restore.media.codecs.extra import library_of
from restore.media.codecs.quiet import quiet
from restore.media.formats import EXIF, RAW
from restore.media.picture import Picture


def decode(stream: BinaryIO, max_pixels: int) -> Picture:
    """Developed as the camera would: its white balance, sRGB, 16 bits. Raises `ImageError` where
    it claims more than ``max_pixels``."""
    library = library_of(RAW)
    stream.seek(0)
    try:
        with quiet():  # LibRaw prints what is wrong, too
            opened = library.imread(stream)
        with opened as raw:
            if raw.sizes.raw_width * raw.sizes.raw_height > max_pixels:
                raise ImageError(f"has more than {max_pixels:,} pixels; refused")
            with quiet():
                raw.unpack()
            data = raw.postprocess(use_camera_wb=True, no_auto_bright=True, output_bps=16)
    except library.LibRawError as error:
        raise ImageError("is damaged, or of a camera that LibRaw does not know") from error
    notes = ("was developed with the camera's white balance, as sRGB",)
    try:
        exif = metadata.written(metadata.exif_of_tiff(stream))
    except metadata.ODDITIES:  # not all of them are TIFFs of a kind
        return assemble.picture(data, {}, (*notes, "its EXIF could not be read and is not kept"))
    return assemble.picture(data, {EXIF: exif}, notes)
