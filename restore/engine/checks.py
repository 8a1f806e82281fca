"""Checks of options that several functions share."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral, Real

from restore.errors import UsageError


def check_count(name: str, value: object, least: int, of: str = "frames") -> None:
    """Raise `UsageError` for an option that is no whole number, or less than ``least``."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise UsageError(f"{name} is {value!r}; it is a number of {of}, {least} or more")


def checked_strength(value: object) -> float:
    """Return a strength as a float. Raises `UsageError` unless it is between 0 and 1."""
    if not isinstance(value, Real) or not 0 <= float(value) <= 1:
        raise UsageError(f"strength is {value!r}; it must be between 0 and 1")
    return float(value)


def checked_progress(value: object) -> Callable[[float, int], None]:
    """Return a callback (done, total), which does nothing for None. Raises `UsageError`."""
    if value is None:
        return lambda done, total: None
    if not callable(value):
        raise UsageError(f"progress is {value!r}; it is a function of (done, total), or None")
    return value
