"""Report on a folder run as an HTML page: every image before and after, suspicious ones first."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from restore.compare.page import check_page, data_url, filled, write_text
from restore.errors import ImageError
from restore.evaluate.guardrails import Sign, suspicious
from restore.jobs.outcome import DONE, FAILED, SKIPPED, Outcome
from restore.media import image as media
from restore.media.screen import screen_view

TEMPLATE = Path(__file__).with_name("folder_report.html")
THUMBNAIL = 240
"""Pixels of the longer side."""
MOST_SHOWN = 1000
"""Pictures with thumbnails; a browser is slow with more. All are listed."""

Progress = Callable[[int, int], object]


@dataclass(frozen=True)
class ReportedFile:
    """One file of a run: its outcome, its signs, worst first, and its thumbnails as data URLs.

    Thumbnails are empty for clips and for files that were not restored.
    """

    outcome: Outcome
    signs: tuple[Sign, ...] = ()
    before: str = ""
    after: str = ""

    @property
    def rank(self) -> tuple[int, float, str]:
        """Return the sort key: failures first, then suspicious images by their worst sign."""
        first = {FAILED: 0}.get(self.outcome.status, 1 if self.signs else 2)
        worst = max((sign.excess for sign in self.signs), default=0.0)
        return first, -worst, str(self.outcome.source)


def write_report(
    path: Path,
    head: str,
    outcomes: Sequence[Outcome],
    overwrite: bool = False,
    progress: Progress = lambda done, total: None,
) -> tuple[ReportedFile, ...]:
    """Write the page and return its entries in order. Reads the pictures of the run again, one at a
    time. A file that was restored again, as it arrived in parts, has its last outcome. Raises
    `ImageError` for a page that cannot be written (`check_page`)."""
    check_page(path, overwrite)
    last = {(outcome.source, outcome.target): outcome for outcome in outcomes}
    found = []
    for number, outcome in enumerate(last.values(), start=1):
        found.append(entry(outcome, head))
        progress(number, len(last))
    entries = tuple(sorted(found, key=lambda one: one.rank))
    write_text(path, report(head, entries))
    return entries


def entry(outcome: Outcome, head: str) -> ReportedFile:
    """Report on one file. An image that cannot be read again has no thumbnails."""
    if outcome.status not in (DONE, SKIPPED) or outcome.frames != 1:
        return ReportedFile(outcome)
    try:
        before, after = (screen_view(media.read(p)) for p in (outcome.source, outcome.target))
    except ImageError:
        return ReportedFile(outcome)
    same = before.shape == after.shape
    signs = suspicious(before, after, head, outcome.borders) if same else ()
    return ReportedFile(outcome, signs, data_url(thumbnail(before)), data_url(thumbnail(after)))


def thumbnail(pixels: np.ndarray) -> np.ndarray:
    """Return H x W x 3 uint8 of at most `THUMBNAIL` pixels a side."""
    image = Image.fromarray(pixels)
    image.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
    return np.asarray(image)


def report(head: str, entries: Sequence[ReportedFile]) -> str:
    """Return the HTML text."""
    return filled(
        TEMPLATE,
        title=f"restore {html.escape(head)}",
        summary=html.escape(summary(entries)),
        entries="\n".join(_figures(entries)),
    )


def summary(entries: Sequence[ReportedFile]) -> str:
    """Return the counts of a run in one sentence."""
    failed = sum(one.outcome.status == FAILED for one in entries)
    looks = sum(bool(one.signs) for one in entries)
    return f"{len(entries)} files: {failed} failed, {looks} to look at"


def _figures(entries: Sequence[ReportedFile]) -> Iterator[str]:
    for number, one in enumerate(entries):
        name = html.escape(str(one.outcome.source))
        kind = "failed" if one.outcome.status == FAILED else "look" if one.signs else ""
        pictures = ""
        if one.before and number < MOST_SHOWN:
            pictures = (
                f'<div><img src="{one.before}" alt="{name} before">'
                f'<img src="{one.after}" alt="{name} after"></div>'
            )
        said = "".join(f"<li>{html.escape(line)}</li>" for line in lines(one))
        yield f'<article class="{kind}"><h2>{name}</h2>{pictures}<ul>{said}</ul></article>'


def lines(one: ReportedFile) -> Iterable[str]:
    """Yield the page's text about a file, by line."""
    outcome = one.outcome
    for sign in one.signs:
        yield f"{sign.name}: {sign.value:.1f} (limit {sign.limit:g})"
    told = f"{outcome.status}: {outcome.reason}" if outcome.reason else outcome.status
    yield f"{told} -> {outcome.target}" if outcome.status == DONE else told
    if outcome.model:
        yield f"{outcome.model}, {outcome.precision}, {outcome.seconds:.1f} s"
    yield from outcome.notes
