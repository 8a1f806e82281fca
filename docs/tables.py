"""Write the generated tables of README.md, of the pages in docs/ and of weights/TRAINING.md.

    python docs/tables.py            # after a change of a model's card, a head or a format
    python docs/tables.py --check    # name the tables that are out of date; exit code 1 for any

A table stands between ``<!-- table: NAME -->`` and ``<!-- /table -->``, with a NAME of `TABLES`
or ``figures-of-MODEL``.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from unittest.mock import patch

from restore.checkpoints import store
from restore.checkpoints.card import Figure
from restore.checkpoints.store import Entry
from restore.checkpoints.zoo import OFFICIAL
from restore.heads import BEST, FAST, HEADS, QUALITIES, STANDARD, Head
from restore.media import formats

ROOT = Path(__file__).resolve().parents[1]
MARKED = re.compile(r"(<!-- table: ([\w-]+) -->\n)(.*?)(\n?<!-- /table -->)", re.DOTALL)
METRICS: Mapping[str, tuple[str, ...]] = {
    "": ("PSNR", "SSIM"),
    ", on Y": ("PSNR-Y", "SSIM-Y"),
    ", GT-mean": ("PSNR-GT-mean",),
}
"""Suffix of a set's title -> the metrics in that row."""


def models() -> list[Entry]:
    """Return the catalogue of a machine on which no model has been downloaded, each head's models
    from fast to best."""
    with (
        tempfile.TemporaryDirectory() as empty,
        patch.dict(os.environ, {"RESTORE_HOME": empty}),
    ):
        found = store.catalogue()
    order = [
        name
        for head in HEADS.values()
        for name in (head.fast, head.standard, head.best, *head.others)
    ]
    known = {name: place for place, name in enumerate(order)}
    heads = list(HEADS)
    return sorted(
        found, key=lambda e: (heads.index(e.card.task), known.get(e.card.name, len(order)))
    )


def by_quality(head: Head, entries: Iterable[Entry]) -> dict[str, Entry]:
    """Return the model that each quality of a head means in this version of the package."""
    own = {entry.card.name: entry for entry in entries if entry.card.task == head.name}
    shipped = [name for name in head.models if name in own and own[name].path is not None]
    names = {FAST: head.fast, STANDARD: next(iter(shipped), ""), BEST: head.best}
    return {quality: own[name] for quality, name in names.items() if name in own}


def measured(entry: Entry) -> list[Figure]:
    """Return the figures that this project measured, without those of the paper."""
    official = OFFICIAL.get(entry.card.name)
    published = official.card().figures if official else ()
    return [figure for figure in entry.card.figures if figure not in published]


def heads_table() -> str:
    entries = models()
    rows = [("head", "purpose", "PSNR in dB on", "fast", "standard (default)", "best")]
    for head in HEADS.values():
        chosen = by_quality(head, entries)
        data = _common_set(chosen.values())
        cells = [_with_figure(chosen[q], data) if q in chosen else "" for q in QUALITIES]
        rows.append((f"`{head.name}`", head.summary, data, *cells))
    return _table(rows)


def _common_set(entries: Iterable[Entry]) -> str:
    """The set that most of the models are measured on; of several, the first."""
    counts: dict[str, int] = {}
    for entry in {entry.card.name: entry for entry in entries}.values():
        for figure in measured(entry):
            if figure.metric == "PSNR" and not figure.stages:
                counts[figure.data] = counts.get(figure.data, 0) + 1
    return max(counts, key=lambda data: counts[data], default="")


def _with_figure(entry: Entry, data: str) -> str:
    found = [f for f in measured(entry) if (f.data, f.metric, f.stages) == (data, "PSNR", 0)]
    return f"`{entry.card.name}`" + (f" {found[0].value:.2f}" if found else "")


def models_table() -> str:
    entries = models()
    rows = [("model", "quality", "network", "parameters", "file", "precisions", "source")]
    for head in HEADS.values():
        roles: dict[str, list[str]] = {}
        for quality, entry in by_quality(head, entries).items():
            roles.setdefault(entry.card.name, []).append(quality)
        for entry in (one for one in entries if one.card.task == head.name):
            card = entry.card
            rows.append(
                (
                    f"`{card.name}`",
                    ", ".join(roles.get(card.name, [])),
                    card.variant,
                    f"{(card.parameters or 0) / 1e6:.1f} M",
                    f"{entry.size / 1e6:.1f} MB",
                    ", ".join(card.precisions),
                    "`restore weights pull`" if entry.path is None else "in the package",
                )
            )
    return _table(rows)


def figures_tables() -> str:
    """One table for each head: a row for each set, a column for each model that was measured."""
    entries = [entry for entry in models() if measured(entry)]
    own = {name: [e for e in entries if e.card.task == name] for name in HEADS}
    return "\n\n".join(_figures(name, columns) for name, columns in own.items() if columns)


def figures_of(model: str) -> str:
    """The figures of one model, which need not be measured."""
    found = [entry for entry in models() if entry.card.name == model and measured(entry)]
    return _figures("PSNR / SSIM", found) if found else ""


def _figures(corner: str, entries: Iterable[Entry]) -> str:
    columns = {
        entry.card.name: {(f.data, f.stages, f.metric): f.value for f in measured(entry)}
        for entry in entries
    }
    titles = (f"`{name}`" for name in columns)
    return _table([(corner, *titles), *_figure_rows(columns)])


def _figure_rows(
    columns: Mapping[str, Mapping[tuple[str, int, str], float]],
) -> Iterator[tuple[str, ...]]:
    sets = dict.fromkeys(
        (data, stages) for values in columns.values() for data, stages, _ in values
    )
    for data, stages in sets:
        for suffix, metrics in METRICS.items():
            cells = [_cell(values, data, stages, metrics) for values in columns.values()]
            if any(cells):
                stopped = f", after stage {stages}" if stages else ""
                yield (f"{data}{stopped}{suffix}", *cells)


def _cell(
    values: Mapping[tuple[str, int, str], float], data: str, stages: int, metrics: tuple[str, ...]
) -> str:
    found = [values[data, stages, m] for m in metrics if (data, stages, m) in values]
    digits = (2, 4)
    return " / ".join(f"{value:.{digits[i]}f}" for i, value in enumerate(found))


def published_table() -> str:
    rows = [("model", "figures of the MAXIM paper: PSNR in dB / SSIM")]
    for official in OFFICIAL.values():
        words = [f"{data} {psnr:.2f} / {ssim:.3f}" for data, psnr, ssim in official.figures]
        rows.append((f"`{official.name}`", "; ".join(words)))
    return _table(rows)


def data_table() -> str:
    rows = [("model", "trained on (licence)", "licence of the weights")]
    for entry in models():
        sets = [f"{one.name} ({one.licence})" for one in entry.card.training_data]
        rows.append((f"`{entry.card.name}`", "; ".join(sets) or "unknown", entry.card.licence))
    return _table(rows)


def limits_list() -> str:
    return "\n".join(f"- `{e.card.name}`: {e.card.limits}" for e in models() if e.card.limits)


def _table(rows: Iterable[tuple[str, ...]]) -> str:
    first, *others = rows
    lines = (first, ("---",) * len(first), *others)
    return "\n".join(" ".join(f"| {' | '.join(line)} |".split()) for line in lines)


TABLES: Mapping[str, Callable[[], str]] = {
    "formats": formats.table,
    "heads": heads_table,
    "models": models_table,
    "figures": figures_tables,
    "published": published_table,
    "training-data": data_table,
    "limits": limits_list,
}


def pages() -> list[Path]:
    """Return the pages that may show tables."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    return [page for page in (*pages, ROOT / "weights" / "TRAINING.md") if page.exists()]


def updated(text: str) -> str:
    """Return a page with its tables made again."""
    return MARKED.sub(lambda found: f"{found[1]}{_made(found[2])}\n<!-- /table -->", text)


def _made(name: str) -> str:
    of = "figures-of-"
    return figures_of(name.removeprefix(of)) if name.startswith(of) else TABLES[name]()


def main(check: bool) -> int:
    stale = 0
    for page in pages():
        text = page.read_text(encoding="utf-8")
        new = updated(text)
        if new == text:
            continue
        stale += 1
        if check:
            print(f"{page.relative_to(ROOT)}: run: python docs/tables.py", file=sys.stderr)
        else:
            page.write_text(new, encoding="utf-8")
            print(f"{page.relative_to(ROOT)}: updated")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
