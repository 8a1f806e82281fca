"""`restore bench judge`: time the judge behind `restore inspect`."""

from dataclasses import asdict
from typing import Annotated

import typer

from restore.cli.console import Reporter
from restore.cli.values import picture_size


def judge(
    size: Annotated[str, typer.Option(help="WIDTHxHEIGHT of the picture.")] = "4000x3000",
    rounds: Annotated[int, typer.Option(min=1, help="How often it is timed.")] = 9,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON line.")] = False,
) -> None:
    """Time the judge of `restore inspect` on one picture, and denoise-small on one."""
    from restore.benchmark import judge_speed

    width, height = picture_size(size)
    found = judge_speed.measure((height, width), rounds)
    Reporter(json).result(
        f"{found.seconds:.3f} s for a picture of {width} x {height} ({found.threads} threads), "
        f"{found.of_baseline:.2f} times {judge_speed.BASELINE} on one megapixel; the first takes "
        f"{found.first:.1f} s",
        **asdict(found),
    )
