"""Output of `restore auto`: a line for each step and one for each picture."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from restore.cli.console import Reporter

if TYPE_CHECKING:
    from restore.automatic import AutoPlan
    from restore.jobs.auto_job import AutoOutcome


def print_plan(plan: "AutoPlan", source: Path, reporter: Reporter) -> None:
    """Print the heads that a picture seems to need."""
    from restore.automatic.auto_restorer import as_values

    lines = [f"{source}: would apply {step}" for step in plan.steps]
    reporter.result(
        "\n".join(lines or [f"{source}: nothing to restore"]),
        input=str(source),
        steps=[as_values(step) for step in plan.steps],
        judgement=asdict(plan.judgement),
    )


def print_outcome(outcome: "AutoOutcome", reporter: Reporter) -> None:
    """Print the steps of a picture, and what has become of it."""
    from restore.automatic.auto_restorer import as_values

    height, width = outcome.size
    heads = [step.head for step in outcome.kept]
    if heads:
        how = f"{', '.join(heads)}; {outcome.device} {outcome.precision}, {width} x {height}, "
        how += f"{outcome.seconds:.1f} s"
    else:
        why = "no step helped" if outcome.steps else "nothing to restore"
        how = f"{why}; {'copied as it is' if outcome.copied else 'encoded again'}"
    lines = [*map(str, outcome.steps), f"{outcome.source} -> {outcome.target} ({how})"]
    reporter.result(
        "\n".join(lines),
        input=str(outcome.source),
        output=str(outcome.target),
        status=outcome.status,
        heads=heads,
        copied=outcome.copied,
        steps=[as_values(step) for step in outcome.steps],
        judgement=None if outcome.judgement is None else asdict(outcome.judgement),
        device=outcome.device,
        precision=outcome.precision,
        width=width,
        height=height,
        seconds=round(outcome.seconds, 3),
    )
