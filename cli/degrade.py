"""`restore degrade`: make a good picture bad, on purpose and repeatably."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Degrade a picture, to try a head on it.", no_args_is_help=True)


@app.callback()
def _root() -> None:
    pass


@app.command()
def noise(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A clean picture.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="Where the noisy one goes.")],
    severity: Annotated[
        float, typer.Option(min=0, max=1, help="0 is none, 1 is sigma 55 or a very dark scene.")
    ] = 0.5,
    seed: Annotated[int, typer.Option(min=0, help="What fixes the noise.")] = 0,
    camera: Annotated[
        bool, typer.Option("--camera", help="A camera's noise instead of white Gaussian.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    """Add noise."""
    from restore.media import image as media

    media.check_target(target, overwrite)
    picture = media.read(source)
    media.check_fits(picture, target)
    from restore.degrade import examples

    degraded = examples.noise(picture.pixels, severity, seed, camera)
    media.write(picture.with_pixels(degraded), target)
    typer.echo(f"{source} -> {target} (noise, severity {severity:g}, seed {seed})")
