"""`restore inspect IMAGE`: find the defects of a picture and suggest a head."""

from pathlib import Path
from typing import Annotated

import typer

from restore.cli.console import to_json


def inspect(
    source: Annotated[Path, typer.Argument(metavar="IMAGE", help="The picture to look at.")],
    json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Estimate noise, blur, haze, rain, darkness and JPEG blocks, and suggest a head."""
    import shlex
    from dataclasses import asdict

    from restore.inspect import inspect as measure
    from restore.inspect import suggest, verdicts
    from restore.media import image as media

    picture = media.read(source).in_8_bits()
    findings = measure(picture.pixels)
    suggestion = suggest(findings)
    if json:
        height, width = picture.pixels.shape[:2]
        size = {"width": width, "height": height}
        outcome = {"findings": asdict(findings), "suggestion": suggestion}
        typer.echo(to_json({"input": str(source)} | size | outcome))
        return
    for verdict in verdicts(findings):
        typer.echo(f"{verdict.finding:9} {verdict.text} ({verdict.measured})")
    if suggestion is None:
        typer.echo("nothing to restore")
    else:
        typer.echo(f"suggested: restore {suggestion} {shlex.quote(str(source))} OUT")
