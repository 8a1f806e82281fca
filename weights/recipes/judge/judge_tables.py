"""How often the judge is right: by kind of held-out sample, and on the evaluation sets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from evaluation import SETS
from view_features import Features

from restore.heads import HEADS
from restore.inspect import judge, suggest
from restore.networks.judge import FAULTS

CLEAN = {
    "CBSD68": "clean-cbsd68",
    "GoPro, sharp": "deblur-gopro/target",
    "O-HAZE, clear": "dehaze-ohaze/target",
    "SOTS indoor, clear": "dehaze-sots-indoor/target",
    "Rain100H, dry": "derain-rain100h/target",
    "Rain12, dry": "derain-rain12/target",
    "LOL, well lit": "lowlight-lol/target",
    "SICE, well lit": "lowlight-sice/target",
    "PolyU, mean of many shots": "realnoise-polyu/target",
}
"""Title -> folder of healthy pictures, under the folder of evaluation data."""


def by_kind(bank: Features, flags: np.ndarray) -> Iterator[str]:
    """Lines of a table: kinds, faults flagged where there are some and where there are none."""
    yield "| kind | samples | " + " | ".join(FAULTS) + " | healthy | false alarms |"
    yield "|---" * (len(FAULTS) + 4) + "|"
    labels = bank.labels[:, : len(FAULTS)]
    well = (labels == 0).all(axis=1)
    for kind in [*sorted(set(bank.kinds)), "all"]:
        of = np.ones(len(labels), bool) if kind == "all" else bank.kinds == kind
        there = [(of & (labels[:, i] > 0.9)) for i in range(len(FAULTS))]
        recall = [f"{flags[t, i].mean():.0%}" if t.any() else "" for i, t in enumerate(there)]
        alarms = flags[of & well, :-1].any(axis=1)
        false = f"{alarms.mean():.1%}" if len(alarms) else ""
        yield f"| {kind} | {of.sum()} | {' | '.join(recall)} | {len(alarms)} | {false} |"


def on_sets(data: Path) -> Iterator[str]:
    """Lines of a table: the share of a set's pictures that get the right head, and any head."""
    yield "| set | pictures | right head | no head | other heads |\n|---|---|---|---|---|"
    rates = []
    for task in HEADS:
        for title, cases in SETS.get(task, {}).items():
            heads = [suggest(judge(_in_8_bits(case.degraded))) for case in cases(data)]
            rates.append(np.mean([head == task for head in heads]))
            yield _row(title, heads, task)
    yield f"| mean over sets | | {np.mean(rates):.1%} | | |"
    from restore.media import image as media
    from restore.media.folder import pictures

    every: list[str | None] = []
    for title, folder in CLEAN.items():
        found = [suggest(judge(media.read(p).in_8_bits().pixels)) for p in pictures(data / folder)]
        every += found
        yield _row(title, found, None)
    yield _row("all clean pictures", every, None)


def _row(title: str, heads: list[str | None], right: str | None) -> str:
    others = sorted({head for head in heads if head not in (None, right)}, key=str)
    named = ", ".join(f"{head} {heads.count(head)}" for head in others)
    share = heads.count(right) / len(heads)
    return f"| {title} | {len(heads)} | {share:.0%} | {heads.count(None)} | {named} |"


def _in_8_bits(picture: np.ndarray) -> np.ndarray:
    if picture.dtype == np.uint8:
        return picture
    return np.clip(np.rint(picture * 255), 0, 255).astype(np.uint8)
