"""A note at the start of a run that takes more than a minute."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from restore.cli.console import Reporter

if TYPE_CHECKING:
    from restore.engine.restorer import Restorer


def announce(
    reporter: Reporter,
    restorer: "Restorer",
    sizes: Iterable[tuple[int, int]],
    times: float = 1,
    workers: int = 1,
) -> None:
    """Say how long images of these (height, width), all of them ``times`` times, will take."""
    if reporter.quiet:
        return
    from restore.engine.estimate import estimate

    expected = estimate(restorer, sizes, times=times, workers=workers)
    if expected is not None:
        reporter.note(expected.sentence("--quality fast"))
