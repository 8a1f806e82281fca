"""Reading of JPEG: 8 bits by Pillow; 12 bits and lossless JPEG in `deep_samples`."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, BinaryIO

from PIL import ExifTags, ImageFile

from restore.media import assembly, metadata, photoshop, xmp
from restore.media.formats import pillow_helpers
from restore.media.formats.format import check_size
from restore.media.formats.jpeg import embedded_parts
from restore.media.formats.jpeg.deep_samples import Frame, frame_of, pixels_of, stand_in
from restore.media.formats.jpeg.embedded_parts import PARTS
from restore.media.formats.jpeg.rare_sampling import rare_sampling
from restore.media.picture import COMMENT, DPI, EXIF, ICC, IPTC, XMP, Picture

NAME = "JPEG"


def decode(stream: BinaryIO, max_pixels: int) -> Picture:
    """Decode the first image. Pillow calls a JPEG followed by further images, as many phones write
    it, MPO."""
    frame = frame_of(stream)
    if frame is not None and frame.is_deep:
        check_size(frame.height, frame.width, max_pixels)
        return _decode_deep(stream, frame)
    with pillow_helpers.identified(stream, NAME) as file:
        check_size(file.height, file.width, max_pixels)
        return _with_parts(
            stream,
            file,
            pillow_helpers.decode(file, _compression(file) | _captions(file), notes=_lost_of(file)),
        )


def _with_parts(stream: BinaryIO, file: ImageFile.ImageFile, picture: Picture) -> Picture:
    """Add the parts of the file besides its image, and remove their announcement from XMP, which
    other formats store."""
    packet = file.info.get("xmp") or b""
    try:
        orientation = metadata.orientation_of(file.getexif())
        parts, notes = embedded_parts.read(stream, packet, file.info.get(EXIF), orientation)
    except metadata.ODDITIES:  # of EXIF, which is noted
        return picture
    cleaned = xmp.without_parts(picture.info.get(XMP, b""))
    info = {XMP: cleaned} if cleaned else {}
    return picture.with_info(**info, **{PARTS: parts} if parts else {}).noting(*notes)


def _decode_deep(stream: BinaryIO, frame: Frame) -> Picture:
    data = pixels_of(stream, frame)
    with pillow_helpers.identified(stand_in(stream), NAME) as file:
        file.load()
        kept, turn, notes = pillow_helpers.carried(file)
        own = {ICC: file.info.get(ICC), DPI: metadata.resolution(file.info.get(DPI))}
        info = own | {COMMENT: file.info.get(COMMENT)} | _captions(file) | kept
        notes = (*notes, *_lost_of(file))
    return assembly.picture(assembly.upright(data, turn), info, notes)


def size(stream: BinaryIO, max_pixels: int) -> tuple[int, int]:
    frame = frame_of(stream)
    if frame is None or not frame.is_deep:
        return pillow_helpers.sizer(NAME)(stream, max_pixels)
    with pillow_helpers.identified(stand_in(stream), NAME) as file:
        file.load()
        _, turn, _ = pillow_helpers.carried(file)
    return metadata.turned(frame.height, frame.width, turn)


def _captions(file: ImageFile.ImageFile) -> dict[str, Any]:
    return {IPTC: photoshop.of_resources(file.info.get("photoshop"))}


def _lost_of(file: ImageFile.ImageFile) -> tuple[str, ...]:
    return photoshop.lost(file.info.get("photoshop") or {})


def _compression(file: ImageFile.ImageFile) -> dict[str, Any]:
    from PIL.JpegImagePlugin import get_sampling

    sampling = get_sampling(file)
    tables: dict[int, Any] = getattr(file, "quantization", {})
    unstated = {} if _states_resolution(file) else {DPI: None}
    return unstated | {
        "jpeg_tables": [tables[i] for i in sorted(tables)][:2] or None,
        "jpeg_sampling": rare_sampling(file) if sampling < 0 else sampling,
        "jpeg_progressive": bool(file.info.get("progressive")) or None,
        COMMENT: file.info.get(COMMENT),
    }


def _states_resolution(file: ImageFile.ImageFile) -> bool:
    """Return whether a file has a resolution. Pillow reports 72 dots per inch for EXIF without
    one."""
    if file.info.get("jfif_unit"):
        return True
    with suppress(*metadata.ODDITIES):
        return ExifTags.Base.XResolution in file.getexif()
    return False
