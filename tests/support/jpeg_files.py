"""JPEGs of phones and cameras: several pictures in one file, made without our own code."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
from PIL import Image

GAIN_MAP = "http://ns.adobe.com/hdr-gain-map/1.0/"
_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_BASELINE, _FULL_HD = 0x20030000, 0x40010002


def jpeg(pixels: np.ndarray, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", **{"quality": 90} | options)
    return buffer.getvalue()


def segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def packet(attributes: str, inside: str = "") -> bytes:
    """XMP of one description, with the namespaces that phones use."""
    spaces = {
        "hdrgm": GAIN_MAP,
        "Container": "http://ns.google.com/photos/1.0/container/",
        "Item": "http://ns.google.com/photos/1.0/container/item/",
        "GCamera": "http://ns.google.com/photos/1.0/camera/",
        "xmpNote": "http://ns.adobe.com/xmp/note/",
        "xmp": "http://ns.adobe.com/xap/1.0/",
        "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    }
    declared = " ".join(f'xmlns:{name}="{uri}"' for name, uri in spaces.items())
    text = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF {declared}>'
    text += f'<rdf:Description rdf:about="" {attributes}>{inside}</rdf:Description>'
    return f"{text}</rdf:RDF></x:xmpmeta>".encode()


def gain_map(height: int, width: int) -> bytes:
    """A second picture, a quarter of the first one's size."""
    y, x = np.mgrid[: height // 4, : width // 4]
    said = packet('hdrgm:Version="1.0" hdrgm:GainMapMax="3.0" hdrgm:HDRCapacityMax="3"')
    return jpeg(((x * 7 + y * 5) % 256).astype(np.uint8), xmp=said)


def container(*lengths: tuple[str, int]) -> str:
    """Google's directory of the parts behind the image."""
    items = "".join(
        '<rdf:li rdf:parseType="Resource"><Container:Item Item:Mime="image/jpeg" '
        f'Item:Semantic="{name}" Item:Length="{length}"/></rdf:li>'
        for name, length in lengths
    )
    return f"<Container:Directory><rdf:Seq>{items}</rdf:Seq></Container:Directory>"


def with_index(first: bytes, others: list[tuple[int, bytes]], order: str = ">") -> bytes:
    """A file of several pictures (CIPA DC-007): an index and, behind the first, the others, each
    with its attribute."""
    count = 1 + len(others)
    size = 4 + 4 + 8 + 2 + 3 * 12 + 4 + 16 * count
    base = 2 + 8  # of the byte order, when the segment is the first one
    at, entries = (
        len(first) + size,
        struct.pack(f"{order}3I2H", _BASELINE, len(first) + size, 0, 0, 0),
    )
    for attribute, content in others:
        entries += struct.pack(f"{order}3I2H", attribute, len(content), at - base, 0, 0)
        at += len(content)
    head = (b"MM" if order == ">" else b"II") + struct.pack(f"{order}HIH", 42, 8, 3)
    head += struct.pack(f"{order}HHI4s", 0xB000, 7, 4, b"0100")
    head += struct.pack(f"{order}HHII", 0xB001, 4, 1, count)
    head += struct.pack(f"{order}HHII", 0xB002, 7, len(entries), 8 + 2 + 36 + 4)
    index = segment(0xE2, b"MPF\0" + head + struct.pack(f"{order}I", 0) + entries)
    assert len(index) == size
    return first[:2] + index + first[2:] + b"".join(content for _, content in others)


def ultra_hdr(pixels: np.ndarray, **options: Any) -> bytes:
    """As Android's cameras write it: announced by XMP and by the index."""
    second = gain_map(*pixels.shape[:2])
    said = packet('hdrgm:Version="1.0"', container(("Primary", 0), ("GainMap", len(second))))
    return with_index(jpeg(pixels, xmp=said, **options), [(0, second)])


def with_preview(pixels: np.ndarray) -> bytes:
    """As cameras write it: a full HD preview, and after it a further view."""
    preview, other = jpeg(pixels[::2, ::2]), jpeg(pixels[::-1])
    return with_index(jpeg(pixels), [(_FULL_HD, preview), (0x20002, other)], "<")
