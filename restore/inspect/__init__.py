"""What ails a picture: estimates from the literature, and the head they ask for. No torch."""

from restore.inspect.report import Findings, inspect
from restore.inspect.verdict import Verdict, suggest, verdicts

__all__ = ["Findings", "Verdict", "inspect", "suggest", "verdicts"]
