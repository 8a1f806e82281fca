"""Items of an AVIF or HEIC file: images, their properties and references (ISO/IEC 23008-12).

The container is that of ISO/IEC 14496-12. Items keep their bytes, so that gain maps and other
auxiliary images can be moved from one file to another without decoding them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from restore.media.formats.isobmff import box, boxes

_MOST_ITEMS = 4096
_HANDLER = b"\0\0\0\0\0\0\0\0pict" + bytes(13)
_NAMED = ">HH4s"
"""Number, protection and kind of an item's entry of version 2."""


@dataclass(frozen=True)
class HeifItem:
    """An image or a block of metadata.

    ``kind``: four letters such as ``av01``, ``hvc1``, ``grid``, ``Exif``.
    ``entry``: the end of its entry: name and content type, each closed by 0.
    ``hidden``: not to be shown on its own.
    ``properties``: whole boxes, each with whether a reader must understand it.
    """

    kind: bytes
    data: bytes
    properties: tuple[tuple[bytes, bool], ...] = ()
    entry: bytes = b"\0"
    hidden: bool = False

    def property_of(self, name: bytes) -> bytes | None:
        """Return the content of the first property box called ``name``."""
        return next((box[8:] for box, _ in self.properties if box[4:8] == name), None)

    def adding(self, *boxes: bytes) -> HeifItem:
        """Return the item with more properties, none of them essential."""
        return replace(self, properties=(*self.properties, *((box, False) for box in boxes)))


@dataclass(frozen=True)
class HeifItems:
    """All items of a file by number. ``references``: (kind, from, to), with numbers of items.
    ``groups``: (kind, numbers)."""

    brands: bytes
    primary: int
    items: dict[int, HeifItem]
    references: tuple[tuple[bytes, int, tuple[int, ...]], ...] = ()
    groups: tuple[tuple[bytes, tuple[int, ...]], ...] = field(default=())

    @property
    def image(self) -> HeifItem:
        return self.items[self.primary]

    def referred(self, kind: bytes, number: int) -> tuple[int, ...]:
        """List the items that an item refers to."""
        return tuple(
            n for k, start, to in self.references if (k, start) == (kind, number) for n in to
        )

    def referring(self, kind: bytes, number: int) -> tuple[int, ...]:
        """List the items that refer to an item."""
        return tuple(start for k, start, to in self.references if k == kind and number in to)

    def adding(self, item: HeifItem, *references: tuple[bytes, tuple[int, ...]]) -> HeifItems:
        """Return the items and a new one, with its references to others."""
        number = max(self.items) + 1
        more = ((kind, number, to) for kind, to in references)
        return replace(
            self,
            items=self.items | {number: item},
            references=(*self.references, *more),
        )

    def with_image(self, item: HeifItem) -> HeifItems:
        """Return the items with another primary image."""
        return replace(self, items=self.items | {self.primary: item})


def read(content: bytes) -> HeifItems:
    """Read the items of a file. Raises `ValueError` if its structure is damaged."""
    try:
        return _read(content)
    except (struct.error, IndexError, KeyError) as error:
        raise ValueError("its boxes are damaged") from error


def _read(content: bytes) -> HeifItems:
    outer = {name: (start, end) for name, start, end in boxes(content)}
    start, end = outer[b"meta"]
    meta = {name: content[a:b] for name, a, b in boxes(content, start + 4, end)}
    brands = content[slice(*outer[b"ftyp"])]
    wide = meta[b"pitm"][0]
    (primary,) = struct.unpack_from(">I" if wide else ">H", meta[b"pitm"], 4)
    properties = dict(_properties(meta[b"iprp"]))
    places = dict(_places(meta[b"iloc"]))
    items = {}
    for number, item in _entries(meta[b"iinf"]):
        method, extents = places.get(number, (0, ()))
        source = content if method == 0 else meta.get(b"idat", b"") if method == 1 else b""
        data = b"".join(source[at : at + size] if size else source[at:] for at, size in extents)
        items[number] = replace(item, data=data, properties=properties.get(number, ()))
    if primary not in items:
        raise ValueError("its primary image is missing")
    references = tuple(_references(meta.get(b"iref", bytes(4))))
    return HeifItems(brands, primary, items, references, tuple(_groups(meta.get(b"grpl", b""))))


def _entries(body: bytes) -> Iterator[tuple[int, HeifItem]]:
    for name, at, end in boxes(body, 6 if body[0] == 0 else 8):
        version = body[at]
        if name != b"infe" or version not in (2, 3):
            continue
        form = _NAMED if version == 2 else ">IH4s"
        number, _, kind = struct.unpack_from(form, body, at + 4)
        rest = body[at + 4 + struct.calcsize(form) : end]
        yield number, HeifItem(kind, b"", (), rest, bool(body[at + 3] & 1))


def _places(body: bytes) -> Iterator[tuple[int, tuple[int, tuple[tuple[int, int], ...]]]]:
    """Yield by item: how it is stored, and (offset, size) of its parts."""
    version = body[0]
    sizes = body[4] >> 4, body[4] & 15, body[5] >> 4, body[5] & 15 if version else 0
    at = 6

    def number(size: int) -> int:
        nonlocal at
        at += size
        if at > len(body):
            raise ValueError("its table of places ends early")
        return int.from_bytes(body[at - size : at], "big")

    count = number(4 if version == 2 else 2)
    for _ in range(min(count, _MOST_ITEMS)):
        item = number(4 if version == 2 else 2)
        method = number(2) & 15 if version else 0
        number(2)
        base = number(sizes[2])
        extents = []
        for _ in range(number(2)):
            number(sizes[3])
            extents.append((base + number(sizes[0]), number(sizes[1])))
        yield item, (method, tuple(extents))


def _properties(body: bytes) -> Iterator[tuple[int, tuple[tuple[bytes, bool], ...]]]:
    whole: list[bytes] = []
    for name, start, end in boxes(body):
        if name == b"ipco":
            for kind, a, b in boxes(body, start, end):
                whole.append(box(kind, body[a:b]))
    for name, start, _ in boxes(body):
        if name == b"ipma":
            wide, long = body[start] > 0, body[start + 3] & 1
            (count,) = struct.unpack_from(">I", body, start + 4)
            at = start + 8
            for _ in range(min(count, _MOST_ITEMS)):
                (number,) = struct.unpack_from(">I" if wide else ">H", body, at)
                at += 4 if wide else 2
                values = struct.unpack_from(f">{body[at]}{'H' if long else 'B'}", body, at + 1)
                at += 1 + len(values) * (2 if long else 1)
                top = 0x8000 if long else 0x80
                yield (
                    number,
                    tuple(
                        (whole[value % top - 1], bool(value & top))
                        for value in values
                        if 0 < value % top <= len(whole)
                    ),
                )


def _references(body: bytes) -> Iterator[tuple[bytes, int, tuple[int, ...]]]:
    letter = "I" if body[0] else "H"
    for name, at, _ in boxes(body, 4):
        start, count = struct.unpack_from(f">{letter}H", body, at)
        place = at + struct.calcsize(f">{letter}H")
        yield name, start, struct.unpack_from(f">{count}{letter}", body, place)


def _groups(body: bytes) -> Iterator[tuple[bytes, tuple[int, ...]]]:
    for name, at, _ in boxes(body):
        (count,) = struct.unpack_from(">I", body, at + 8)
        yield name, struct.unpack_from(f">{count}I", body, at + 12)


def write(file: HeifItems) -> bytes:
    """Return a file of these items."""
    numbers = {old: new for new, old in enumerate(sorted(file.items), start=1)}
    ordered = [file.items[old] for old in sorted(file.items)]
    kept = set(numbers)
    entries = b"".join(_entry(numbers[old], file.items[old]) for old in sorted(file.items))
    references = b"".join(
        box(kind, struct.pack(f">{2 + len(to)}H", numbers[start], len(to), *map(numbers.get, to)))
        for kind, start, to in file.references
        if {start, *to} <= kept
    )
    groups = b"".join(
        box(kind, struct.pack(f">{3 + len(to)}I", 0, 1000 + i, len(to), *map(numbers.get, to)))
        for i, (kind, to) in enumerate(file.groups)
        if set(to) <= kept
    )
    parts = [
        box(b"hdlr", _HANDLER),
        box(b"pitm", struct.pack(">IH", 0, numbers[file.primary])),
        box(b"iinf", struct.pack(">IH", 0, len(ordered)), entries),
        _written_properties(ordered),
        box(b"iref", bytes(4), references) if references else b"",
        box(b"grpl", groups) if groups else b"",
    ]
    head = box(b"ftyp", file.brands)
    length = len(head) + 12 + sum(map(len, parts)) + 16 + 14 * len(ordered) + 8
    at, rows = length, b""
    for number, item in enumerate(ordered, start=1):
        rows += struct.pack(">HHHII", number, 0, 1, at, len(item.data))
        at += len(item.data)
    places = box(b"iloc", bytes(4), b"\x44\0", struct.pack(">H", len(ordered)), rows)
    meta = box(b"meta", bytes(4), *parts, places)
    content = b"".join((head, meta, box(b"mdat", *(item.data for item in ordered))))
    assert len(head) + len(meta) + 8 == length
    return content


def _entry(number: int, item: HeifItem) -> bytes:
    head = struct.pack(">I", 2 << 24 | item.hidden)
    return box(b"infe", head, struct.pack(_NAMED, number, 0, item.kind), item.entry)


def _written_properties(ordered: Iterable[HeifItem]) -> bytes:
    places: dict[bytes, int] = {}
    rows = []
    for number, item in enumerate(ordered, start=1):
        values = [
            places.setdefault(whole, len(places) + 1) | (0x8000 if essential else 0)
            for whole, essential in item.properties
        ]
        if values:
            rows.append(struct.pack(f">HB{len(values)}H", number, len(values), *values))
    table = box(b"ipma", struct.pack(">II", 1, len(rows)), *rows)
    return box(b"iprp", box(b"ipco", *places), table)
