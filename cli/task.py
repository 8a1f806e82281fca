"""`restore denoise IN OUT` and its sisters, made from the table of tasks."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from restore.cli.console import Reporter
from restore.tasks import Task

Source = Annotated[Path, typer.Argument(metavar="IN", help="The picture to restore.")]
Target = Annotated[Path, typer.Argument(metavar="OUT", help="Where the result goes.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")]
Precision = Annotated[
    str, typer.Option(help="auto (fastest the model is tested for), float32 or bfloat16.")
]
Model = Annotated[
    str | None, typer.Option(help="A model's name (see: restore models) or a .safetensors file.")
]
Tile = Annotated[
    str,
    typer.Option(help="auto, off, or a tile's side in pixels (rounded to the model's size rule)."),
]
Strength = Annotated[
    float, typer.Option(min=0, max=1, help="0 keeps the input, 1 is the full effect.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace OUT if it exists.")]
Json = Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks.")]


def command(task: Task) -> Callable[..., None]:
    """The command of one head."""

    def restore_one(
        source: Source,
        target: Target,
        model: Model = None,
        device: Device = "auto",
        precision: Precision = "auto",
        tile: Tile = "auto",
        strength: Strength = 1.0,
        ensemble: Annotated[
            bool, typer.Option("--ensemble", help="Average eight flips and turns: 8x slower.")
        ] = False,
        overwrite: Overwrite = False,
        json: Json = False,
        quiet: Quiet = False,
        debug: Debug = False,
    ) -> None:
        reporter = Reporter(json, quiet)
        picture = read(source, target, overwrite)
        text, values = apply(
            task.name,
            picture,
            source,
            target,
            reporter,
            model=model,
            device=device,
            precision=precision,
            tile=tile,
            strength=strength,
            ensemble=ensemble,
        )
        reporter.result(text, **values)

    return restore_one


def read(source: Path, target: Path, overwrite: bool) -> Any:
    """The `Picture` to restore, once all that can be refused without torch has been."""
    from restore.media import image as media

    media.check_target(target, overwrite)
    picture = media.read(source)
    media.check_fits(picture, target)
    return picture


def apply(
    task: str, picture: Any, source: Path, target: Path, reporter: Reporter, **options: Any
) -> tuple[str, dict[str, Any]]:
    """Restore a picture that `read` returned and write it; ``options`` are the `Restorer`'s.

    Returns the outcome as a sentence and as values.
    """
    from restore import Restorer
    from restore.media import image as media

    restorer = Restorer(task, **options)
    started = time.perf_counter()
    with reporter.progress(f"{task} {source.name}") as progress:
        pixels = restorer(picture.pixels, progress)
    seconds = time.perf_counter() - started
    media.write(picture.with_pixels(pixels), target)
    height, width = pixels.shape[:2]
    compute = restorer.compute
    text = (
        f"{source} -> {target} ({restorer.card.name}, {compute.device} {compute.precision}, "
        f"{width} x {height}, {seconds:.1f} s)"
    )
    return text, {
        "input": str(source),
        "output": str(target),
        "task": task,
        "model": restorer.card.name,
        "device": str(compute.device),
        "precision": compute.precision,
        "width": width,
        "height": height,
        "strength": restorer.strength,
        "ensemble": restorer.ensemble,
        "seconds": round(seconds, 3),
    }
