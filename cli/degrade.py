"""`restore degrade`: make a good picture bad, on purpose and repeatably."""

from pathlib import Path
from typing import Annotated

import typer

from restore.cli.console import Reporter

app = typer.Typer(help="Degrade a picture, to try a head on it.", no_args_is_help=True)

Source = Annotated[Path, typer.Argument(metavar="IN", help="A clean picture.")]
Target = Annotated[Path, typer.Argument(metavar="OUT", help="Where the degraded one goes.")]
Severity = Annotated[
    float,
    typer.Option(min=0, max=1, help="0 is none, 1 is the worst that heads are trained against."),
]
Seed = Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Seed of everything random.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an existing output.")]


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    contact_sheet: Annotated[
        Path | None,
        typer.Option(metavar="OUT", help="Draw every kind at several severities into one picture."),
    ] = None,
    picture: Annotated[
        Path | None, typer.Option(metavar="IN", help="The clean picture of the contact sheet.")
    ] = None,
    seed: Seed = 0,
    overwrite: Overwrite = False,
) -> None:
    if context.invoked_subcommand is not None:
        if contact_sheet or picture:
            raise typer.BadParameter("--contact-sheet draws all kinds; name none")
        for name in ("seed", "overwrite"):
            given = context.get_parameter_source(name)
            if given is not None and given.name != "DEFAULT":
                raise typer.BadParameter(f"give --{name} after {context.invoked_subcommand}")
        return
    if contact_sheet is None or picture is None:
        raise typer.BadParameter("name a kind, or give --contact-sheet OUT and --picture IN")

    from restore.media import image as media

    media.check_target(contact_sheet, overwrite)
    shown = media.read(picture).in_8_bits()
    from restore.degrade.sheet import contact_sheet as draw
    from restore.media.picture import Picture

    media.write(Picture(draw(shown.pixels, seed), alpha=None, info={}), contact_sheet)
    typer.echo(f"{picture} -> {contact_sheet} (contact sheet, seed {seed})")


@app.command(help="Add noise.")
def noise(
    source: Source,
    target: Target,
    severity: Severity = 0.5,
    seed: Seed = 0,
    camera: Annotated[
        bool, typer.Option("--camera", help="A camera's noise instead of white Gaussian.")
    ] = False,
    overwrite: Overwrite = False,
) -> None:
    _degrade("camera-noise" if camera else "noise", source, target, severity, seed, overwrite)


def _command(kind: str, summary: str) -> None:
    @app.command(kind, help=summary)
    def command(
        source: Source,
        target: Target,
        severity: Severity = 0.5,
        seed: Seed = 0,
        overwrite: Overwrite = False,
    ) -> None:
        _degrade(kind, source, target, severity, seed, overwrite)


_command("blur", "Shake the camera, or miss the focus.")
_command("rain", "Let it rain.")
_command("haze", "Fill the scene with haze.")
_command("lowlight", "Take most of the light away.")


def _degrade(
    kind: str, source: Path, target: Path, severity: float, seed: int, overwrite: bool
) -> None:
    from restore.jobs.picture_job import with_losses
    from restore.media import image as media

    media.check_target(target, overwrite)
    picture = with_losses(media.read(source), source, target, Reporter().note)
    from restore.degrade.examples import degrade

    degraded = picture.through(lambda pixels: degrade(kind, pixels, severity, seed))
    media.write(degraded, target)
    typer.echo(f"{source} -> {target} ({kind}, severity {severity:g}, seed {seed})")
