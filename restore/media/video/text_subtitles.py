"""Text subtitles from one container's kind to another's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av

KINDS = {"mp4": "mov_text", "mov": "mov_text", "matroska": "subrip", "webm": "webvtt"}
"""The text codec of each container, by FFmpeg's names."""
_READ = ("subrip", "text", "webvtt", "mov_text", "ass")
_TAG = re.compile(r"</?[a-zA-Z][^>\n]*>")
_OVERRIDE = re.compile(r"\{[^}]*\}")
_SWITCH = re.compile(r"\\([ibu])([01])(?![0-9])")


def kind_for(codec: str, container: str) -> str:
    """Return the codec to which subtitles are converted for a container; empty if they cannot be:
    they are images, or it holds no text."""
    return KINDS.get(container, "") if codec in _READ else ""


def loses_style(codec: str) -> bool:
    """Whether subtitles of a codec have fonts, places and colours that a conversion leaves out."""
    return codec == "ass"


def text_of(codec: str, payload: bytes) -> str:
    """Return the text of a packet, with ``<i>``, ``<b>`` and ``<u>`` where it has them."""
    if codec == "mov_text":
        length = int.from_bytes(payload[:2], "big")
        return _clean(payload[2 : 2 + length].decode("utf-8", "replace"))
    text = payload.decode("utf-8", "replace")
    if codec == "ass":
        text = _OVERRIDE.sub(_switches, text.split(",", 8)[-1])
        text = text.replace(r"\N", "\n").replace(r"\n", "\n").replace(r"\h", " ")
    return _clean(text)


def _clean(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").strip("\n\0")


def _switches(found: re.Match[str]) -> str:
    return "".join(f"<{'' if on == '1' else '/'}{name}>" for name, on in _SWITCH.findall(found[0]))


def payload_for(codec: str, text: str) -> bytes:
    """Return the packet of a text in another codec."""
    if codec == "mov_text":  # its styles are another table: the text alone is kept
        plain = _TAG.sub("", text).encode()
        return len(plain[:0xFFFF]).to_bytes(2, "big") + plain[:0xFFFF]
    return text.encode()


class ConvertedText:
    """Carries a stream of subtitles of the codec ``old`` into ``new``, of another codec."""

    def __init__(self, old: str, new: Any, codec: str):
        self._codec, self._new, self._wanted = old, new, codec

    def packets(self, packet: Any) -> Iterator[Any]:
        """Yield the converted packet, unless it is empty."""
        if packet.pts is None or not packet.size:
            return
        text = text_of(self._codec, bytes(packet))
        if not text:
            return  # clears the screen: the duration of the text before says when
        made = av.Packet(payload_for(self._wanted, text))
        made.time_base = packet.time_base or Fraction(1, 1000)
        made.pts = made.dts = packet.pts
        made.duration, made.is_keyframe, made.stream = packet.duration, True, self._new
        yield made

    def rest(self) -> Iterator[Any]:
        """Yield nothing: every packet is converted at once."""
        return iter(())
