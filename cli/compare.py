"""`restore compare IN [OUT] --html LOOK`: pictures in one HTML file with a slider."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from restore.cli.console import Reporter
from restore.cli.grouped_help import OUTPUT, PICTURE
from restore.cli.options import Device, Json, MaxMemory, Overwrite, Quality, Quiet, Source
from restore.errors import UsageError

if TYPE_CHECKING:
    from restore.compare import Treatment


def compare(
    source: Source,
    restored: Annotated[
        Path | None, typer.Argument(metavar="[OUT]", help="A restored picture to compare with.")
    ] = None,
    html: Annotated[
        Path, typer.Option("--html", help="The page to write.", rich_help_panel=OUTPUT)
    ] = Path("compare.html"),
    heads: Annotated[
        str, typer.Option(help="Heads to try, such as denoise,deblur.", rich_help_panel=PICTURE)
    ] = "",
    models: Annotated[
        str, typer.Option(help="Models to try, by name or file.", rich_help_panel=PICTURE)
    ] = "",
    strengths: Annotated[
        str, typer.Option(help="Strengths to try, such as 0.5,1.", rich_help_panel=PICTURE)
    ] = "1",
    reference: Annotated[
        Path | None, typer.Option(help="The true picture: adds PSNR.", rich_help_panel=PICTURE)
    ] = None,
    crop: Annotated[
        int | None,
        typer.Option(
            min=16, help="Show the centre, this many pixels a side.", rich_help_panel=PICTURE
        ),
    ] = None,
    quality: Quality = None,
    device: Device = "auto",
    max_memory: MaxMemory = None,
    overwrite: Overwrite = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write a page that compares a picture with its restorations.

    It has a slider and zoom.
    """
    from restore.compare import restored_views, view_of, write_page
    from restore.compare.page import check_page
    from restore.media import image as media

    chosen = treatments(heads, models, strengths)
    if restored is None and not chosen:
        raise UsageError("name a restored picture, or give --heads or --models")
    check_page(html, overwrite)
    reporter = Reporter(json, quiet)
    picture = media.read(source)
    truth = None if reference is None else media.read(reference)
    labels = _labels(source, restored)
    views = [view_of(picture, labels[0], truth, crop)]
    if restored is not None:
        views.append(view_of(media.read(restored), labels[1], truth, crop))
    options: dict[str, Any] = {"device": device, "max_memory": max_memory}
    with reporter.progress("Restoring") as report:
        views += restored_views(picture, chosen, truth, crop, report, quality=quality, **options)
    if truth is not None:
        views.append(view_of(truth, "reference", None, crop))
    write_page(html, source.name, views, overwrite)
    told = [{"label": view.label, "psnr": view.psnr} for view in views]
    reporter.result(f"{html}: {len(views)} pictures", output=str(html), views=told)


def _labels(source: Path, restored: Path | None) -> list[str]:
    """Return the names of the files, or their paths where both have one name."""
    paths = [source] if restored is None else [source, restored]
    one_name = restored is not None and restored.name == source.name
    return [str(path) if one_name else path.name for path in paths]


def treatments(heads: str, models: str, strengths: str) -> "list[Treatment]":
    """Parse the three lists. Raises `UsageError`."""
    from restore.checkpoints import store
    from restore.compare import Treatment

    try:
        shares = [float(text) for text in strengths.split(",")]
    except ValueError:
        raise UsageError(f"--strengths {strengths}: give numbers, such as 0.5,1") from None
    pairs: list[tuple[str, str | None]] = [(name, None) for name in _listed(heads)]
    pairs += [(store.locate(name).card.task, name) for name in _listed(models)]
    return [Treatment(head, model, share) for head, model in pairs for share in shares]


def _listed(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
