"""A record of the restoration in XMP: an entry of ``xmpMM:History`` (XMP specification, part 2)."""

from __future__ import annotations

import re
from dataclasses import replace
from html import escape

from restore.media import xmp
from restore.media.formats.jpeg.embedded_parts import PARTS, JpegParts
from restore.media.picture import STAMP, XMP, Picture
from restore.version import __version__

_RDF = b"http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_MEDIA = b"http://ns.adobe.com/xap/1.0/mm/"
_EVENT = b"http://ns.adobe.com/xap/1.0/sType/ResourceEvent#"
_EMPTY = (
    b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="%s"></rdf:RDF></x:xmpmeta>'
    b'<?xpacket end="w"?>'
) % _RDF


def stamped(picture: Picture, parameters: str) -> Picture:
    """Record in the XMP of a picture how it is restored, if a stamp is wanted."""
    if not picture.info.get(STAMP):
        return picture
    parts: JpegParts | None = picture.info.get(PARTS)
    picture = picture.with_info(**{XMP: with_entry(picture.info.get(XMP, b""), parameters)})
    if parts is None:
        return picture
    return picture.with_info(**{PARTS: replace(parts, xmp=with_entry(parts.xmp, parameters))})


def with_entry(packet: bytes, parameters: str) -> bytes:
    """Add an entry to the history in an XMP packet; begin a packet or a history if there is none.

    The rest of the packet keeps its bytes. A packet that is not RDF is returned as it is.
    """
    packet = packet or _EMPTY
    rdf = _prefix(packet, _RDF)
    if rdf is None:
        return packet
    entry = _entry(rdf, parameters)
    media = _prefix(packet, _MEDIA)
    if media is not None:
        end = rb"(</%s:Seq>\s*</%s:History>)" % (re.escape(rdf), re.escape(media))
        packet, count = re.subn(end, lambda found: entry + found[1], packet, count=1)
        if count:
            return packet
    history = (
        b'<%s:Description %s:about="" xmlns:xmpMM="%s"><xmpMM:History><%s:Seq>%s</%s:Seq>'
        b"</xmpMM:History></%s:Description>"
    ) % (rdf, rdf, _MEDIA, rdf, entry, rdf, rdf)
    end = b"</%s:RDF>" % rdf
    start, found, rest = packet.rpartition(end)
    return start + history + found + rest if found else packet


def _entry(rdf: bytes, parameters: str) -> bytes:
    fields = {
        "action": "filtered",
        "softwareAgent": f"restore {__version__}",
        "parameters": parameters,
    }
    inside = "".join(f"<stEvt:{k}>{escape(v)}</stEvt:{k}>" for k, v in fields.items())
    return b'<%s:li %s:parseType="Resource" xmlns:stEvt="%s">%s</%s:li>' % (
        *(rdf, rdf, _EVENT, inside.encode()),
        rdf,
    )


def _prefix(packet: bytes, namespace: bytes) -> bytes | None:
    return next(iter(xmp.prefixes(packet, namespace)), None)
