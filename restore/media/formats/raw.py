"""Raw files of cameras, by LibRaw (an extra). Read only."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, BinaryIO

from restore.errors import ImageError
from restore.media import assembly, metadata, photoshop
from restore.media.formats.extras import library_of
from restore.media.formats.format import NO_ALPHA, Format, check_size
from restore.media.formats.tiff.tags import XMP_TAG
from restore.media.picture import EXIF, IPTC, XMP, Picture
from restore.media.silence_stderr import silence_stderr

_NAME, _EXTRA, _LIBRARY = "RAW", "raw", "rawpy"


def recognises(head: bytes) -> bool:
    """Raw files have no signature in common: they are recognised by their suffix."""
    return False


def decode(stream: BinaryIO, max_pixels: int) -> Picture:
    """Develop as the camera would: its white balance, sRGB, 16 bits."""
    library = library_of(_NAME, _EXTRA, _LIBRARY)
    stream.seek(0)
    try:
        with silence_stderr():  # LibRaw prints errors besides raising them
            opened = library.imread(stream)
        with opened as raw:
            check_size(raw.sizes.raw_height, raw.sizes.raw_width, max_pixels)
            with silence_stderr():
                raw.unpack()
            data = raw.postprocess(use_camera_wb=True, no_auto_bright=True, output_bps=16)
    except library.LibRawError as error:
        raise ImageError("is damaged, or of a camera that LibRaw does not know") from error
    notes = ("was developed with the camera's white balance, as sRGB",)
    try:
        exif = metadata.kept_of_tiff(stream)
    except metadata.ODDITIES:  # some raw formats have no TIFF header
        return assembly.picture(data, {}, (*notes, "its EXIF could not be read and is not kept"))
    return assembly.picture(data, {EXIF: exif} | _packets(stream), notes)


def _packets(stream: BinaryIO) -> dict[str, Any]:
    """Return XMP and captions of a file with the structure of a TIFF."""
    from tifffile import TiffFile

    stream.seek(0)
    with suppress(*metadata.ODDITIES, RuntimeError), TiffFile(stream) as file:
        tags = file.pages.first.tags
        packet, captions = tags.get(XMP_TAG), tags.get(photoshop.TIFF_TAG)
        return {
            XMP: metadata.upright_xmp(bytes(packet.value)) if packet is not None else None,
            IPTC: photoshop.of_tag(captions.value) if captions is not None else None,
        }
    return {}


RAW = Format(
    _NAME,
    (".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2", ".pef", ".srw"),
    recognises,
    decode,
    by_suffix=True,
    depths=("16",),
    alpha=NO_ALPHA,
    keeps=(EXIF, XMP, IPTC),
    extra=_EXTRA,
    library=_LIBRARY,
)
