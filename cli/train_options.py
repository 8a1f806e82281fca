"""Options of `restore train`."""

from pathlib import Path
from typing import Annotated

import typer

Task = Annotated[str, typer.Argument(help="denoise, deblur, derain, dehaze or enhance.")]
Run = Annotated[
    Path | None,
    typer.Option(
        "--run",
        "--into",  # torchrun takes --run for an option of its own
        help="Folder of the run: its log and state. The same command resumes it; more "
        "--steps lengthen it once it is finished.",
    ),
]
Clean = Annotated[
    list[str] | None,
    typer.Option(
        metavar="DIR[=WEIGHT]",
        help="Clean pictures, degraded on the fly. May be repeated; patches are drawn in "
        "proportion to the weights (1 if not given).",
    ),
]
Pairs = Annotated[
    list[str] | None,
    typer.Option(
        metavar="DIR[=WEIGHT]",
        help="Pairs: input/ and target/ with equal names, or a pairs.csv. May be repeated.",
    ),
]
Depth = Annotated[
    list[str] | None,
    typer.Option(
        metavar="DIR[=WEIGHT]",
        help="Clean pictures with depth, for dehaze: a depth.csv. May be repeated.",
    ),
]
Rehearse = Annotated[
    list[str] | None,
    typer.Option(
        metavar="DIR[=WEIGHT]",
        help="Degraded pictures; --target-model makes their targets. May be repeated.",
    ),
]
Distill = Annotated[
    list[str] | None,
    typer.Option(
        metavar="DIR[=WEIGHT]",
        help="Clean pictures, degraded target_draws times each (a field of --config); "
        "--target-model makes the targets. May be repeated.",
    ),
]
TargetModel = Annotated[
    str | None,
    typer.Option(
        metavar="MODEL",
        help="Model whose output --rehearse and --distill train towards (a name or a file).",
    ),
]
Out = Annotated[Path | None, typer.Option(help="Model file to write at the end (.safetensors).")]
Config = Annotated[Path | None, typer.Option(help="JSON of training fields; see --print-config.")]
PrintConfig = Annotated[
    bool,
    typer.Option(
        "--print-config",
        help="Print the whole configuration, as --config reads it, and exit.",
    ),
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace the model file if it exists.")
]
Licence = Annotated[str, typer.Option(help="Licence of the weights, for the card.")]
Steps = Annotated[int | None, typer.Option(min=1, help="Optimizer steps.")]
Seed = Annotated[
    int | None, typer.Option(min=0, max=2**63 - 1, help="Seed of everything random in the run.")
]
Init = Annotated[
    str | None, typer.Option(help="Start from this model, of any task (a name or a file).")
]
Network = Annotated[
    str | None,
    typer.Option(
        help="Published shape to train from fresh weights, such as S-1; a wrong name lists all."
    ),
]
Tensorboard = Annotated[
    bool, typer.Option("--tensorboard", help="Also write TensorBoard files into the run.")
]

Devices = Annotated[
    int,
    typer.Option(min=1, help="Processes, one per GPU, or sharing the CPU; torchrun works too."),
]
Threads = Annotated[int | None, typer.Option(min=1, help="CPU threads of each process.")]
