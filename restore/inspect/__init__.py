"""Faults of a picture: the judgement of a small network, and directly measured numbers.

Importing this, and everything but `judge`, imports no torch.
"""

from restore.inspect.findings import Findings, inspect
from restore.inspect.judgement import Judgement, Place, judge
from restore.inspect.suggestion import Symptom, flagged, suggest, symptoms
from restore.networks.judge.config import FAULTS

__all__ = [
    "FAULTS",
    "Findings",
    "Judgement",
    "Place",
    "Symptom",
    "flagged",
    "inspect",
    "judge",
    "suggest",
    "symptoms",
]
