"""Comparison of a finished clip with its input, by reading it back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from restore.errors import ImageError
from restore.media.video.chroma_siting import NAMES
from restore.media.video.decode import frames
from restore.media.video.encoders import Encoding
from restore.media.video.mux import kept, of_the_old_file, of_the_old_packets
from restore.media.video.other_streams import words
from restore.media.video.probe import probe
from restore.media.video.segments import Segment
from restore.media.video.stream import Clip, opened


def differences(
    clip: Clip,
    encoding: Encoding,
    made: Path,
    name: Path,
    segments: Sequence[Segment],
    copy_others: bool,
) -> list[str]:
    """Return notes on properties of a clip that the output has lost.

    Args:
        made: the output under its temporary name.
        name: its final name.
        copy_others: the other streams and tags of the clip were copied as well.

    Raises:
        ImageError: if the output is not a clip with the same number of frames.
    """
    new = probe(made)
    notes = [*_times(clip, new, name, segments)]
    suffix = name.suffix
    for what, old_value, new_value in (
        ("rotation", clip.display_matrix, new.display_matrix),
        ("pixel aspect", clip.pixel_aspect, new.pixel_aspect),
        ("HDR mastering display", clip.mastering, new.mastering),
        ("HDR light level", clip.light, new.light),
    ):
        if old_value and old_value != new_value:
            notes.append(f"{what} is not kept by {suffix} with {new.codec}")
    same_form = new.pixel_format == clip.pixel_format
    if clip.siting in NAMES and same_form and new.siting != clip.siting:
        notes.append(f"chroma siting is not kept by {suffix} with {new.codec}")
    for what in ("range", "matrix", "primaries", "transfer"):
        old_value, new_value = getattr(clip.colour, what), getattr(new.colour, what)
        said = old_value not in (0, 2) or (what == "range" and old_value == 2)
        if said and old_value != new_value and same_form:
            notes.append(f"colour {what} is not kept by {suffix} with {new.codec}")
    if copy_others:
        with opened(clip.path) as source, opened(made) as result:
            notes.extend(_words(source, result, clip, new, encoding, suffix))
    return notes


def _times(clip: Clip, new: Clip, name: Path, segments: Sequence[Segment]) -> Iterator[str]:
    """Compare the frames that a player shows. A file can hold more: packets before the first edit
    of an MP4 are stored, but not shown."""
    wanted = [stamp * clip.time_base for segment in segments for stamp, _ in segment.times]
    try:
        found = [(frame.pts or 0) * new.time_base + new.start for frame in frames(new)]
    except ImageError as error:
        raise ImageError(f"{name}: cannot be read back: {error}") from error
    if len(found) != len(wanted):
        raise ImageError(
            f"{name}: shows {len(found)} frames instead of {len(wanted)}; use .mkv, or another "
            "codec, and report this clip"
        )
    if new.container == "avi":  # a decoder's delay counts as time there
        found = _stored_times(new)
    worst = max(abs(a - b) for a, b in zip(wanted, found, strict=True))
    if worst:
        yield (
            f"times are rounded by up to {float(worst) * 1000:.3g} ms: {name.suffix} counts in "
            f"steps of {float(new.time_base) * 1000:.3g} ms"
        )


def _stored_times(clip: Clip) -> list[Fraction]:
    """Return the times of the packets of a clip in order, in seconds."""
    with opened(clip.path) as file:
        packets = [p for p in file.demux(file.streams[clip.stream]) if p.size]
        return sorted(p.dts * p.time_base for p in packets if p.dts is not None)


def _words(
    source: Any, result: Any, old: Clip, new: Clip, encoding: Encoding, suffix: str
) -> Iterator[str]:
    for name in _missing(source.metadata, result.metadata, of_the_old_file):
        yield f"{suffix} cannot store the tag {name!r}: left out"
    container = encoding.container
    pair = source.streams[old.stream], result.streams[new.stream]
    tags = [words(stream, container) for stream in pair]
    for name in _missing(tags[0], tags[1], of_the_old_packets):
        yield f"{suffix} cannot store the video stream's tag {name!r}: left out"
    streams = kept(source, old, encoding)
    for kind in ("video", "audio", "subtitle"):
        olds = [s for s in streams if s.type == kind]
        news = [s for s in result.streams if s.type == kind]
        if len(olds) == len(news):  # otherwise notes on missing streams have been returned
            for before, after in zip(olds, news, strict=True):
                for what in _lost(before, after, container, len(olds) > 1):
                    yield f"{suffix} does not keep the {what} of {kind} stream {before.index}"
    if len(source.chapters()) > len(result.chapters()):
        yield f"{suffix} cannot store chapters: left out"


def _lost(before: Any, after: Any, container: str, several: bool) -> Iterator[str]:
    said, found = words(before, container), words(after, container)
    for what in ("title", "language"):
        if said.get(what, "und") not in ("und", found.get(what)):
            yield what
    old, new = before.disposition, after.disposition
    for mark in type(old):
        if old & mark and not new & mark and (several or mark.name != "default"):
            yield f"mark {str(mark.name)!r}"


def _missing(old: dict[str, str], new: dict[str, str], stale: Any) -> list[str]:
    there = {name.lower() for name in new}
    return [
        name for name, value in old.items() if name.lower() not in there and not stale(name, value)
    ]
