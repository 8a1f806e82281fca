"""Parts of a JPEG file besides its image: gain maps, further pictures, depth, motion.

They are written back unchanged, around the restored image in its stored orientation, which they
share. Only the index of pictures (MPF) changes. Previews, which show the image before restoration,
are left out.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from restore.media import metadata, xmp
from restore.media.exif_block import PREFIX as EXIF_PREFIX
from restore.media.formats.jpeg import mpf
from restore.media.formats.jpeg.marker_segments import (
    APP0,
    APP1,
    APP2,
    APP13,
    APP14,
    APPLICATION,
    JpegSegment,
    end_of_image,
    place_for_more,
    segment,
    segments,
    with_segments,
)

PARTS = "jpeg_parts"
"""Key of `Picture.info`: a `JpegParts`."""
_EXTENDED_XMP = b"http://ns.adobe.com/xmp/extension/\0"
_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_ICC = b"ICC_PROFILE\0"
_REWRITTEN = {
    APP0: (b"",),
    APP1: (EXIF_PREFIX, _XMP),
    APP2: (_ICC, mpf.PREFIX),
    0xEC: (b"Ducky",),
    APP13: (b"Photoshop 3.0\0",),
    APP14: (b"Adobe",),
}
"""Application segments that describe the coding of the old image, or that are read elsewhere: by
marker, the beginning of their content."""
_SIGNED = (0xEB, b"JP")
"""Content credentials (C2PA): a signature over the old image."""
_ISO_GAIN_MAP = b"urn:iso:std:iso:ts:21496:-1"
_APPLE_GAIN_MAP = b"urn:com:apple:photo:2020:aux:hdrgainmap"
_HEAD = 1 << 16
_JPEG = b"\xff\xd8\xff"
_SAMSUNG = b"SEFT"
_PADDING = b"\0\xff\r\n "


@dataclass(frozen=True)
class JpegParts:
    """Further parts of a JPEG.

    ``segments``: whole application segments that are kept.
    ``index``: content of the segment of MPF, empty if there is none.
    ``entries``: of the index, after the first: the kept ones by number, with their place (start and
    size) in ``trailer``.
    ``trailer``: the bytes behind the image.
    ``xmp``: the packet that announces the parts.
    ``exif``: the block with its orientation, or None.
    ``orientation``: of the stored image, 1 to 8.
    ``names``: the parts in words.
    """

    segments: tuple[bytes, ...]
    index: bytes
    entries: tuple[tuple[int, mpf.MpEntry], ...]
    trailer: bytes
    xmp: bytes
    exif: bytes | None
    orientation: int
    names: tuple[str, ...]

    def around(self, content: bytes) -> bytes:
        """Add the parts to the JPEG of the image."""
        content = with_segments(content, self.segments)
        if not self.index:
            return content + self.trailer
        place = place_for_more(content)
        size = len(content) + 4 + len(self.index)  # 4: marker and length of the new segment
        base = place + 4 + len(mpf.PREFIX)
        (first, *_), moved = mpf.entries(self.index), []
        for _, entry in self.entries:
            moved.append(entry._replace(offset=size + entry.offset - base))
        kept = [0, *(number for number, _ in self.entries)]
        index = mpf.rewritten(self.index, kept, [first._replace(size=size, offset=0), *moved])
        return with_segments(content, [segment(APP2, index)]) + self.trailer


def read(
    stream: BinaryIO, packet: bytes, block: bytes | None, orientation: int
) -> tuple[JpegParts | None, tuple[str, ...]]:
    """Read the parts of a file whose XMP is ``packet`` and whose EXIF is ``block``.

    Returns None if there are none, and notes on parts that are not kept in any file.
    """
    stream.seek(0)
    content = stream.read()
    found = list(segments(io.BytesIO(content)))
    index = next((s for s in found if s.marker == APP2 and s.body.startswith(mpf.PREFIX)), None)
    own = tuple(s for s in found if s.marker in APPLICATION and not _is_rewritten(*s[:2]))
    notes = []
    if any((s.marker, s.body[:2]) == _SIGNED for s in own):
        own = tuple(s for s in own if (s.marker, s.body[:2]) != _SIGNED)
        notes.append("its content credentials sign the old image and are not kept")
    end = end_of_image(content)
    entries: list[tuple[int, mpf.MpEntry]] = []
    trailer = content[end:]
    if index is not None:
        try:
            entries, trailer, without = _entries(index.body, index.at + 8, end, content)
            notes += without
        except ValueError:
            notes.append("its index of further pictures is damaged; they are not kept")
            trailer = b""
    if not entries and not _is_announced(packet, trailer):
        if trailer.strip(_PADDING):
            notes.append(f"{len(trailer)} bytes of unknown data behind the image are not kept")
        trailer = b""
    names = tuple(dict.fromkeys(_names(entries, trailer, packet, own)))
    if not own and not entries and not trailer:
        return None, tuple(notes)
    whole = tuple(segment(s.marker, s.body) for s in own)
    body = index.body if index is not None and entries else b""
    exif = metadata.kept(block, turned=False) if block and orientation != 1 else None
    places = tuple(entries)
    return (
        JpegParts(whole, body, places, trailer, packet, exif, orientation, names),
        tuple(notes),
    )


def _is_rewritten(marker: int, body: bytes) -> bool:
    return body.startswith(_REWRITTEN.get(marker, ()))


def _entries(
    body: bytes, base: int, end: int, content: bytes
) -> tuple[list[tuple[int, mpf.MpEntry]], bytes, list[str]]:
    """Return the kept entries with offsets in the trailer, the trailer without previews, and
    notes. Raises `ValueError` if the index is damaged."""
    kept, cut = [], []
    for number, entry in enumerate(mpf.entries(body)[1:], start=1):
        start = base + entry.offset - end
        if start < 0 or end + start + entry.size > len(content) or not entry.size:
            continue  # it points nowhere, as in files that were cut
        if entry.is_preview:
            cut.append((start, start + entry.size))
        else:
            kept.append((number, entry._replace(offset=start)))
    trailer, at = b"", 0
    moved: list[tuple[int, mpf.MpEntry]] = []
    for start, stop in sorted(cut):
        trailer += content[end + at : end + start]
        at = max(at, stop)
    trailer += content[end + at :]
    for number, entry in kept:
        before = sum(stop - start for start, stop in cut if stop <= entry.offset)
        moved.append((number, entry._replace(offset=entry.offset - before)))
    notes = ["its previews show the image before restoration and are not kept"] if cut else []
    return moved, trailer, notes


def _is_announced(packet: bytes, trailer: bytes) -> bool:
    """Whether a trailer without index belongs to the picture: it is announced by XMP, or of
    Samsung's cameras."""
    if not trailer:
        return False
    return xmp.without_parts(packet) != packet or trailer.endswith(_SAMSUNG)


def _names(
    entries: list[tuple[int, mpf.MpEntry]],
    trailer: bytes,
    packet: bytes,
    own: tuple[JpegSegment, ...],
) -> Iterator[str]:
    """Name the parts for messages."""
    for _, entry in entries:
        yield _name(trailer[entry.offset : entry.offset + min(entry.size, _HEAD)])
    if not entries and trailer:
        moving = b"ftyp" in trailer[:_HEAD] or b"MotionPhoto" in packet or b"MicroVideo" in packet
        if trailer.startswith(_JPEG):
            yield _name(trailer[:_HEAD])
        if moving or not trailer.startswith(_JPEG):
            yield "the moving part of the photo" if moving else "the data behind the image"
    if any(s.body.startswith(_EXTENDED_XMP) for s in own):
        yield "the extended XMP"
    if any(not s.body.startswith((_EXTENDED_XMP, _ISO_GAIN_MAP)) for s in own):
        yield "application data of a JPEG"


def _name(head: bytes) -> str:
    maps = (xmp.GAIN_MAP, _ISO_GAIN_MAP, _APPLE_GAIN_MAP)
    return "the gain map of HDR" if any(m in head for m in maps) else "a further picture"
