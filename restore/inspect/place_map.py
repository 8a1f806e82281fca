"""A picture with the places marked that its judge looked at."""

from __future__ import annotations

import cv2
import numpy as np

from restore.inspect import judge_model
from restore.inspect.judgement import Judgement
from restore.media.colour import rgb

_HEALTHY, _FAULTY = (60, 200, 90), (235, 60, 50)
_EDGE = (0, 0, 0)


def place_map(pixels: np.ndarray, judgement: Judgement) -> np.ndarray:
    """Return a copy of H x W x 3 or H x W uint8 as H x W x 3 with a frame around every place.

    Green frames are healthy; red ones name the faults found there, with their probability in
    per cent.
    """
    marked = np.ascontiguousarray(rgb(pixels)).copy()
    limits = judge_model.card().thresholds
    unit = max(1, round(min(marked.shape[:2]) / 480))
    for place in judgement.places:
        found = [n for n, p in place.probabilities.items() if p > limits[n]]
        colour = _FAULTY if found else _HEALTHY
        start = (place.column + unit, place.row + unit)
        last = (place.column + place.side - 1 - unit, place.row + place.side - 1 - unit)
        cv2.rectangle(marked, start, last, colour, 2 * unit)
        for line, name in enumerate(found):
            at = (place.column + 6 * unit, place.row + (18 + 14 * line) * unit)
            _write(marked, f"{name} {100 * place.probabilities[name]:.0f}", at, unit)
    return marked


def _write(image: np.ndarray, text: str, at: tuple[int, int], unit: int) -> None:
    for colour, width in ((_EDGE, 3 * unit), ((255, 255, 255), unit)):
        cv2.putText(
            image, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.4 * unit, colour, width, cv2.LINE_AA
        )
