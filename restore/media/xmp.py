"""XMP packets: properties that are true only of the file they were read from."""

from __future__ import annotations

import re

_NAMESPACE = rb"xmlns:([A-Za-z_][\w.-]*)\s*=\s*[\"']%s[\"']"

GAIN_MAP = b"http://ns.adobe.com/hdr-gain-map/1.0/"
CONTAINER = b"http://ns.google.com/photos/1.0/container/"
CAMERA = b"http://ns.google.com/photos/1.0/camera/"
NOTE = b"http://ns.adobe.com/xmp/note/"
_ANY = rb"\w+"
_OF_PARTS = {
    GAIN_MAP: _ANY,
    CONTAINER: _ANY,
    CAMERA: rb"(?:MotionPhoto|MicroVideo)\w*",
    b"http://ns.google.com/photos/1.0/depthmap/": _ANY,
    b"http://ns.google.com/photos/1.0/image/": _ANY,
    b"http://ns.google.com/photos/1.0/audio/": _ANY,
    b"http://ns.apple.com/HDRGainMap/1.0/": _ANY,
    NOTE: rb"HasExtendedXMP",
}
"""Names of properties that announce further parts of the file, by namespace."""


def prefixes(packet: bytes, namespace: bytes) -> list[bytes]:
    """List the prefixes that a packet declares for a namespace."""
    return sorted(set(re.findall(_NAMESPACE % re.escape(namespace), packet)))


def without_parts(packet: bytes) -> bytes:
    """Remove all properties that announce gain maps, depth maps, motion and extended XMP.

    The rest of the packet keeps its bytes, declarations of namespaces included.
    """
    for namespace, names in _OF_PARTS.items():
        for prefix in prefixes(packet, namespace):
            name = re.escape(prefix) + rb":" + names
            packet = re.sub(rb"\s+%s\s*=\s*(?:\"[^\"]*\"|'[^']*')" % name, b"", packet)
            packet = re.sub(rb"<(%s)\b[^>]*/>" % name, b"", packet)
            packet = re.sub(rb"<(%s)\b[^>]*>.*?</\1\s*>" % name, b"", packet, flags=re.DOTALL)
    return packet
