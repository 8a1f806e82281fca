"""Faults of a picture: estimates from the literature, and the head they suggest. No torch."""

from restore.inspect.findings import Findings, inspect
from restore.inspect.suggestion import Symptom, suggest, verdicts

__all__ = ["Findings", "Symptom", "inspect", "suggest", "verdicts"]
