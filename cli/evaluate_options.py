"""Options of `restore eval`."""

from pathlib import Path
from typing import Annotated

import typer

from restore.heads import HEADS

Task = Annotated[
    str | None,
    typer.Argument(help=f"One of {', '.join(HEADS)}; none with --no-reference."),
]
Target = Annotated[
    Path | None, typer.Option(help="Folder of the true pictures; of --video, the true clip.")
]
Source = Annotated[
    Path | None, typer.Option("--input", help="Folder of degraded pictures of the same names.")
]
Sigma = Annotated[
    float | None,
    typer.Option(min=0, help="Instead of --input: add Gaussian noise of this level (0-255)."),
]
Video = Annotated[
    Path | None,
    typer.Option(help="Instead of pictures: a clip, or a folder of its frames; see below."),
]
NoReference = Annotated[
    Path | None,
    typer.Option(metavar="PATH", help="Instead: the quality of a picture or a folder of them."),
]
Measure = Annotated[
    list[str] | None,
    typer.Option(help="With --no-reference: also niqe, musiq or dists; may be repeated."),
]
Methods = Annotated[
    bool, typer.Option("--methods", help="Measure the task's classical methods as well.")
]
InputItself = Annotated[
    bool, typer.Option("--input-itself", help="Measure the degraded pictures as well.")
]
Lpips = Annotated[
    list[str] | None,
    typer.Option(help="Measure LPIPS on alex or squeeze; may be repeated."),
]
Csv = Annotated[Path | None, typer.Option(help="Write a line a picture and subject to this file.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the CSV file if it exists.")]
Json = Annotated[
    bool,
    typer.Option("--json", help="Print rows and means as JSON; null is an infinite PSNR."),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print the means alone.")]
