"""`restore denoise IN OUT` and its sisters, made from the table of tasks."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from restore.cli.console import Reporter
from restore.tasks import Task

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


def command(task: Task) -> Callable[..., None]:
    """The command of one head."""

    def restore_one(
        source: Annotated[Path, typer.Argument(metavar="IN", help="The picture to restore.")],
        target: Annotated[Path, typer.Argument(metavar="OUT", help="Where the result goes.")],
        model: Model = None,
        device: Device = "auto",
        precision: Precision = "auto",
        tile: Tile = "auto",
        strength: Annotated[
            float, typer.Option(min=0, max=1, help="0 keeps the input, 1 is the full effect.")
        ] = 1.0,
        ensemble: Annotated[
            bool, typer.Option("--ensemble", help="Average eight flips and turns: 8x slower.")
        ] = False,
        overwrite: Annotated[
            bool, typer.Option("--overwrite", help="Replace OUT if it exists.")
        ] = False,
        json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
        quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing.")] = False,
        debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    ) -> None:
        from restore.media import image as media

        reporter = Reporter(json, quiet)
        # All that can be refused is refused before torch is loaded.
        media.check_target(target, overwrite)
        picture = media.read(source)
        media.check_fits(picture, target)
        from restore import Restorer

        restorer = Restorer(
            task.name,
            model,
            device=device,
            precision=precision,
            tile=tile,
            strength=strength,
            ensemble=ensemble,
        )
        started = time.perf_counter()
        with reporter.progress(f"{task.name} {source.name}") as progress:
            pixels = restorer(picture.pixels, progress)
        seconds = time.perf_counter() - started
        media.write(picture.with_pixels(pixels), target)
        height, width = pixels.shape[:2]
        compute = restorer.compute
        reporter.result(
            f"{source} -> {target} ({restorer.card.name}, {compute.device} {compute.precision}, "
            f"{width} x {height}, {seconds:.1f} s)",
            input=str(source),
            output=str(target),
            task=task.name,
            model=restorer.card.name,
            device=str(compute.device),
            precision=compute.precision,
            width=width,
            height=height,
            strength=strength,
            ensemble=ensemble,
            seconds=round(seconds, 3),
        )

    return restore_one
