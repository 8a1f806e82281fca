"""Options that several commands share: one name, one meaning, one help text."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from restore.cli.console import Reporter
from restore.errors import UsageError

Source = Annotated[Path, typer.Argument(metavar="IN", help="The picture to restore.")]
Sources = Annotated[
    list[Path],
    typer.Argument(metavar="IN...", help="A picture; or several, folders, or quoted patterns."),
]
Target = Annotated[
    Path, typer.Argument(metavar="OUT", help="Where the result goes: a file, or a folder.")
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")]
Precision = Annotated[
    str, typer.Option(help="auto (fastest the model is tested for), float32 or bfloat16.")
]
Backend = Annotated[
    str,
    typer.Option(
        help="torch, onnxruntime (an extra; exports a model at its first use), triton (for CUDA "
        "GPUs, on none of which it has run yet), or plain (torch without fused operators)."
    ),
]
Model = Annotated[
    str | None, typer.Option(help="A model's name (see: restore models) or a .safetensors file.")
]
Tile = Annotated[
    str,
    typer.Option(
        help="auto, window, exact, off, or a tile's side in pixels (rounded to the size rule)."
    ),
]
Overlap = Annotated[int | None, typer.Option(min=0, help="Pixels that neighbouring tiles share.")]
MaxMemory = Annotated[
    str | None,
    typer.Option(
        metavar="4GiB",
        help="What tiles keep within, all workers together; default: 60 % of what is free.",
    ),
]
Strength = Annotated[
    float, typer.Option(min=0, max=1, help="0 keeps the input, 1 is the full effect.")
]
BitDepth = Annotated[
    str,
    typer.Option(metavar="8|16|32f", help="Bits a channel of the result; default: the input's."),
]
Quality = Annotated[
    str | None,
    typer.Option(
        metavar="fast|standard|best",
        help="The head's small model, its standard one (the default), or the official one "
        "(restore weights pull HEAD).",
    ),
]
EncodeQuality = Annotated[
    int | None,
    typer.Option(
        min=1, max=100, help="1 to 100, of JPEG, WebP, AVIF and HEIC; default: the input's."
    ),
]
Stages = Annotated[
    int | None,
    typer.Option(metavar="N", help="Stop a model of several stages after N: faster, if less good."),
]
Reduce = Annotated[
    str | None,
    typer.Option(
        metavar="N|off",
        help="Show the model an image of N pixels on the shorter side, or every pixel; "
        "default: as the model's card says.",
    ),
]
MaxPixels = Annotated[
    int | None,
    typer.Option(min=1, help="Pictures that claim more are refused; default: 500 million."),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace OUT if it exists.")]
Json = Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks.")]
Devices = Annotated[
    int,
    typer.Option(min=1, help="Processes, one a GPU, or sharing the CPU; torchrun works too."),
]
Threads = Annotated[int | None, typer.Option(min=1, help="CPU threads, of each process.")]


def split_quality(
    quality: str | None, encode_quality: int | None, reporter: Reporter
) -> tuple[str | None, int | None]:
    """Take a number after ``--quality`` as the encoder's, which that option once was, with a note.

    Raises `UsageError` where both options would give the encoder's.
    """
    if quality is None or not quality.lstrip("-").isdecimal():
        return quality, encode_quality
    if encode_quality is not None:
        raise UsageError(f"--quality {quality} and --encode-quality both choose the encoder's")
    reporter.note(f"--quality {quality} means --encode-quality {quality}, its name now")
    return None, int(quality)


def given(options: Mapping[str, Any], *names: str) -> dict[str, str]:
    """Those of ``names`` that a user has given, as text: results made before an option existed stay
    results of the same command."""
    return {name: str(options[name]) for name in names if options.get(name) is not None}
