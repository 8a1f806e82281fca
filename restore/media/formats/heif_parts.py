"""Properties and parts of AVIF and HEIC besides pixels: colour, light levels, gain maps, depth."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from restore.media.code_points import UNSPECIFIED, CodePoints
from restore.media.formats.heif_items import HeifItem, HeifItems, read, write
from restore.media.formats.isobmff import box
from restore.media.picture import CICP, EXIF, ICC, LIGHT, MASTERING, XMP, Picture, only_first

PARTS, RATE = "heif_parts", "heif_rate"
"""Keys of `Picture.info`: a `HeifParts`; the name of the format and bytes per pixel."""
_ALPHA = b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0"
_ALPHAS = (_ALPHA, b"urn:mpeg:hevc:2015:auxid:1\0")
_DEPTHS = (b"depth", b"auxid:2\0")
_TURNS = (b"irot", b"imir")
_PRIMARIES = struct.Struct(">8H2I")
_CANDELA = 10_000
"""Units of light in PNG, 0.0001 cd/m2."""


@dataclass(frozen=True)
class HeifParts:
    """Auxiliary images of a file and their metadata.

    ``format``: name of the format of the file.
    ``source``: its items. ``kept``: numbers of those that are parts.
    ``turns``: properties that turn its primary image upright.
    ``names``: the parts in words.
    """

    format: str
    source: HeifItems
    kept: tuple[int, ...]
    turns: tuple[tuple[bytes, bool], ...]
    names: tuple[str, ...]

    def stored(self, pixels: np.ndarray) -> np.ndarray:
        """Undo the turn to upright: auxiliary images have the orientation of the stored image."""
        for whole, _ in reversed(self.turns):
            value = whole[8] if len(whole) > 8 else 0
            if whole[4:8] == b"irot":
                pixels = np.rot90(pixels, -(value & 3))
            else:
                pixels = pixels[:, ::-1] if value & 1 else pixels[::-1]
        return pixels

    def added_to(self, target: HeifItems) -> HeifItems:
        """Add the parts to the items of the restored image, and turn it as the old one was."""
        image = target.image
        target = target.with_image(replace(image, properties=(*image.properties, *self.turns)))
        first = max(target.items) + 1
        numbers = {old: first + i for i, old in enumerate(self.kept)}
        numbers[self.source.primary] = target.primary
        items = target.items | {numbers[old]: self.source.items[old] for old in self.kept}
        references = [
            (kind, numbers[start], tuple(numbers[n] for n in to if n in numbers))
            for kind, start, to in self.source.references
            if start in self.kept and set(to) <= set(numbers)
        ]
        groups = [
            (kind, tuple(numbers[n] for n in to))
            for kind, to in self.source.groups
            if set(to) <= set(numbers)
        ]
        toned = any(self.source.items[old].kind == b"tmap" for old in self.kept)
        return replace(
            target,
            brands=target.brands + (b"tmap" if toned else b""),
            items=items,
            references=(*target.references, *references),
            groups=(*target.groups, *groups),
        )


def described(content: bytes, name: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Read code points, light levels, parts and the coded size of a file of the format ``name``.

    Returns entries for `Picture.info` and notes. Both are empty for a file whose boxes are damaged.
    """
    try:
        file = read(content)
        tiles = file.referred(b"dimg", file.primary)
        image = file.items[tiles[0]] if tiles else file.image
        info: dict[str, Any] = {
            CICP: _code_points(file.image) or _code_points(image),
            MASTERING: _mastering(file.image.property_of(b"mdcv")),
            LIGHT: _light(file.image.property_of(b"clli")),
        }
        height, width = struct.unpack(">4xII", file.image.property_of(b"ispe") or bytes(12))[::-1]
        if height * width:
            coded = sum(len(file.items[number].data) for number in (*tiles, file.primary))
            info[RATE] = (name, coded / (height * width))
        parts, notes = _parts(file, name)
        return info | {PARTS: parts}, notes
    except (ValueError, KeyError, IndexError, struct.error):
        return {}, ()


def stated_size(content: bytes) -> tuple[int, int] | None:
    """Return (height, width) of the stored image by its header, without what is cropped; None if
    that is damaged."""
    try:
        image = read(content).image
        width, height = struct.unpack(">4xII", image.property_of(b"ispe") or b"")
        if crop := image.property_of(b"clap"):
            across, of, down, of_down = struct.unpack_from(">4I", crop)
            width, height = across // of, down // of_down
    except (ValueError, ZeroDivisionError, struct.error):
        return None
    return height, width


def _code_points(image: HeifItem) -> CodePoints | None:
    for whole, _ in image.properties:
        if whole[4:12] == b"colrnclx":
            found = CodePoints(*struct.unpack_from(">3H", whole, 12))
            stated = (found.primaries, found.transfer) != (UNSPECIFIED, UNSPECIFIED)
            return found if stated or found.matrix != UNSPECIFIED else None
    return None


def _mastering(body: bytes | None) -> bytes | None:
    """Convert a box of a mastering display (green, blue, red) to PNG's chunk (red, green, blue)."""
    if body is None or len(body) < _PRIMARIES.size:
        return None
    values = _PRIMARIES.unpack_from(body)
    return _PRIMARIES.pack(*values[4:6], *values[:4], *values[6:])


def _light(body: bytes | None) -> bytes | None:
    if body is None or len(body) < 4:
        return None
    return struct.pack(">2I", *(_CANDELA * value for value in struct.unpack_from(">2H", body)))


def _parts(file: HeifItems, name: str) -> tuple[HeifParts | None, tuple[str, ...]]:
    auxiliary = [n for n in file.referring(b"auxl", file.primary) if not _is_alpha(file.items[n])]
    toned = [
        n
        for n in file.referring(b"dimg", file.primary)
        if n in file.items and file.items[n].kind == b"tmap"
    ]
    kept = [*auxiliary, *toned]
    for number in kept:  # grows while it is walked: tiles, maps and metadata of the parts
        below = file.referred(b"dimg", number)
        about = (*file.referring(b"cdsc", number), *file.referring(b"auxl", number))
        more = (n for n in (*below, *about) if n != file.primary and n in file.items)
        kept.extend(n for n in dict.fromkeys(more) if n not in kept)
    notes = tuple(_others(file, set(kept)))
    if not kept:
        return None, notes
    if file.image.property_of(b"clap") is not None:
        words = " and ".join(dict.fromkeys(_names(file, auxiliary, toned)))
        return None, (*notes, f"is cropped: {words} cannot be kept")
    turns = tuple(p for p in file.image.properties if p[0][4:8] in _TURNS)
    names = tuple(dict.fromkeys(_names(file, auxiliary, toned)))
    return HeifParts(name, file, tuple(kept), turns, names), notes


def _others(file: HeifItems, kept: set[int]) -> Iterator[str]:
    """Yield a note on further pictures that can be shown on their own."""
    below = {n for kind, start, to in file.references for n in to if kind == b"dimg"}
    small = {start for kind, start, _ in file.references if kind in (b"thmb", b"auxl", b"cdsc")}
    shown = [
        number
        for number, item in file.items.items()
        if number not in kept | below | small | {file.primary}
        and not item.hidden
        and item.property_of(b"ispe") is not None
    ]
    if shown:
        yield only_first(1 + len(shown))


def _is_alpha(item: HeifItem) -> bool:
    kind = item.property_of(b"auxC") or b""
    return kind[4:].startswith(_ALPHAS)


def _names(file: HeifItems, auxiliary: list[int], toned: list[int]) -> Iterator[str]:
    for number in auxiliary:
        kind = file.items[number].property_of(b"auxC") or b""
        if b"hdrgainmap" in kind:
            yield "the gain map of HDR"
        elif any(word in kind for word in _DEPTHS):
            yield "the depth map"
        else:
            yield "an auxiliary image"
    if toned:
        yield "the gain map of HDR"


def completed(content: bytes, alpha: bytes | None, picture: Picture, name: str) -> bytes:
    """Add everything besides colours to a file of one image.

    Args:
        content: the file of the image.
        alpha: a file of the same format with alpha as its image, or None.
        picture: gives profile, light levels, EXIF, XMP and parts of the format ``name``.
    """
    info, file = picture.info, read(content)
    file = file.with_image(file.image.adding(*_boxes(info)))
    about = (b"cdsc", (file.primary,))
    if alpha is not None:
        kind = box(b"auxC", bytes(4), _ALPHA)
        of = (b"auxl", (file.primary,))
        shape = read(alpha).image
        bare = tuple(p for p in shape.properties if p[0][4:8] != b"colr")
        file = file.adding(replace(shape, properties=(*bare, (kind, False)), hidden=True), of)
    if exif := info.get(EXIF):
        file = file.adding(HeifItem(b"Exif", bytes(4) + exif.removeprefix(b"Exif\0\0")), about)
    if packet := info.get(XMP):
        entry = b"\0application/rdf+xml\0"
        file = file.adding(HeifItem(b"mime", packet, entry=entry), about)
    parts: HeifParts | None = info.get(PARTS)
    if parts is not None and parts.format == name:
        file = parts.added_to(file)
    return write(file)


def _boxes(info: dict[str, Any]) -> Iterator[bytes]:
    """Yield the properties of an image for a `Picture.info`."""
    if profile := info.get(ICC):
        yield box(b"colr", b"prof", profile)
    if mastering := info.get(MASTERING):
        values = _PRIMARIES.unpack(mastering)
        yield box(b"mdcv", _PRIMARIES.pack(*values[2:6], *values[:2], *values[6:]))
    if light := info.get(LIGHT):
        levels = (min(65535, round(v / _CANDELA)) for v in struct.unpack(">2I", light))
        yield box(b"clli", struct.pack(">2H", *levels))


def own_parts(info: dict[str, Any], name: str) -> HeifParts | None:
    """Return the parts that a file of the format ``name`` can hold."""
    parts: HeifParts | None = info.get(PARTS)
    return parts if parts is not None and parts.format == name else None
