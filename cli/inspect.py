"""`restore inspect IMAGE`: find the faults of a picture and suggest a head."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from restore.cli.console import to_json
from restore.cli.options import Overwrite

if TYPE_CHECKING:
    import numpy as np

    from restore.inspect import Judgement


def inspect(
    source: Annotated[Path, typer.Argument(metavar="IMAGE", help="The picture to look at.")],
    json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
    places: Annotated[
        Path | None,
        typer.Option("--map", metavar="OUT", help="Write the picture with the places marked."),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Find the faults of a picture and suggest a head.

    Noise, blur, haze, rain, darkness and JPEG blocks are judged.
    """
    import shlex
    from dataclasses import asdict

    from restore.inspect import inspect as measure
    from restore.inspect import judge, suggest, symptoms
    from restore.media import image as media

    if places is not None:
        media.check_target(places, overwrite)
    picture = media.read(source).in_8_bits()
    judgement, findings = judge(picture.pixels), measure(picture.pixels)
    suggestion = suggest(judgement)
    if places is not None:
        _write_map(picture.pixels, judgement, places)
    if json:
        height, width = picture.pixels.shape[:2]
        size = {"width": width, "height": height}
        found = {"judgement": asdict(judgement), "findings": asdict(findings)}
        typer.echo(to_json({"input": str(source)} | size | found | {"suggestion": suggestion}))
        return
    for symptom in symptoms(judgement, findings):
        typer.echo(f"{symptom.finding:9} {symptom.text} ({symptom.measured})")
    typer.echo(f"quality   {judgement.quality:.2f} of 1")
    if suggestion is None:
        typer.echo("nothing to restore")
    else:
        typer.echo(f"suggested: restore {suggestion} {shlex.quote(str(source))} OUT")


def _write_map(pixels: "np.ndarray", judgement: "Judgement", target: Path) -> None:
    from restore.inspect.place_map import place_map
    from restore.media import image as media
    from restore.media.picture import Picture

    media.write(Picture(place_map(pixels, judgement), None, {}), target)
