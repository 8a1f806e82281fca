"""Options that several commands share: one name, one meaning, one help text."""

from pathlib import Path
from typing import Annotated, Any

import typer

from restore.cli.grouped_help import CLIPS, FOLDERS, OUTPUT, PICTURE, SPEED, TILES


def option(group: str, *names: str, **settings: Any) -> Any:
    return typer.Option(*names, rich_help_panel=group, **settings)


Source = Annotated[Path, typer.Argument(metavar="IN", help="The picture to restore.")]
Sources = Annotated[
    list[Path],
    typer.Argument(metavar="IN...", help="A picture or a clip; several, folders, quoted patterns."),
]
Target = Annotated[
    Path, typer.Argument(metavar="OUT", help="The result: a file, or a folder for several.")
]

Strength = Annotated[
    float, option(PICTURE, min=0, max=1, help="0 keeps the input, 1 is the full effect.")
]
BitDepth = Annotated[
    str,
    option(PICTURE, metavar="8|16|32f", help="Bits per channel; default: the input's."),
]
EncodeQuality = Annotated[
    int | None,
    option(
        PICTURE, min=1, max=100, help="1 to 100, of JPEG, WebP, AVIF, HEIC; default: the input's."
    ),
]
Stamp = Annotated[
    bool,
    option(PICTURE, "--stamp", help="Record head, model, its hash and strength in the XMP."),
]
MaxPixels = Annotated[
    int | None,
    option(TILES, min=1, help="Refuse larger pictures; default: 500 million."),
]

Quality = Annotated[
    str | None,
    option(
        SPEED,
        metavar="fast|standard|best",
        help="The head's small model, its standard one (the default), or the official one "
        "(restore weights pull HEAD).",
    ),
]
Model = Annotated[
    str | None,
    option(SPEED, help="A model's name (see: restore models) or a .safetensors file."),
]
Device = Annotated[str, option(SPEED, help="auto, cpu, cuda, cuda:1 or mps.")]
MaxMemory = Annotated[
    str | None,
    option(
        SPEED, metavar="4GiB", help="Limit for all workers together; default: 60 % of free memory."
    ),
]
Ensemble = Annotated[
    bool, option(SPEED, "--ensemble", help="Average eight flips and turns: 8x slower.")
]

Overwrite = Annotated[bool, option(OUTPUT, "--overwrite", help="Replace OUT if it exists.")]
Json = Annotated[bool, option(OUTPUT, "--json", help="Print the outcome as JSON.")]
Quiet = Annotated[bool, option(OUTPUT, "--quiet", "-q", help="Print nothing.")]

Recursive = Annotated[
    bool, option(FOLDERS, "--recursive", "-r", help="Include folders within; the tree is kept.")
]
Suffix = Annotated[str, option(FOLDERS, help="Appended to each name, before its ending.")]
Format = Annotated[
    str,
    option(FOLDERS, "--format", help="png, jpg, webp, tif, ... for all pictures, or mkv, mp4 ..."),
]
Report = Annotated[
    Path | None, option(FOLDERS, help="Write an HTML page: before, after, suspicious results.")
]
SkipExisting = Annotated[
    bool, option(FOLDERS, "--skip-existing", help="Keep every existing output.")
]
Workers = Annotated[
    int | None, option(FOLDERS, min=1, help="Files restored at a time; default: 1, Ray: all.")
]
FailFast = Annotated[bool, option(FOLDERS, "--fail-fast", help="Stop at the first failure.")]
DryRun = Annotated[bool, option(FOLDERS, "--dry-run", help="Print the plan, do nothing.")]
Watch = Annotated[bool, option(FOLDERS, "--watch", help="Wait for files to arrive, until Ctrl-C.")]

Codec = Annotated[
    str | None,
    option(CLIPS, help="h264, hevc, vp9, av1, prores, ffv1 ...; default: the input's."),
]
Crf = Annotated[float | None, option(CLIPS, min=0, help="The encoder's quality; lower is better.")]
PixFmt = Annotated[
    str | None, option(CLIPS, "--pix-fmt", help="FFmpeg's pixel format; default: the input's.")
]
Fps = Annotated[
    str | None, option(CLIPS, help="Frames a second of numbered pictures: 25 or 30000/1001.")
]
Resume = Annotated[bool, option(CLIPS, "--resume", help="Continue an interrupted run.")]
AllowGaps = Annotated[
    bool, option(CLIPS, "--allow-gaps", help="Leave out missing numbers of numbered pictures.")
]
Audio = Annotated[
    str,
    option(CLIPS, metavar="copy|aac|opus|none", help="Sound: unchanged, encoded, or left out."),
]
Deinterlace = Annotated[
    str,
    option(CLIPS, metavar="auto|off|bwdif", help="Frames that are combed, none, or all flagged."),
]
Temporal = Annotated[
    bool, option(CLIPS, "--temporal", help="Less flicker: each frame uses the previous one.")
]

Precision = Annotated[
    str, option(TILES, help="auto (fastest that the model is tested for), float32 or bfloat16.")
]
Backend = Annotated[
    str, option(TILES, help="torch, or onnxruntime (an extra; exports a model at its first use).")
]
Stages = Annotated[
    int | None,
    option(TILES, metavar="N", help="Stop a model of several stages after N: faster, less good."),
]
Tile = Annotated[str, option(TILES, help="auto, window, exact, off, or a tile's side in pixels.")]
Overlap = Annotated[int | None, option(TILES, min=0, help="Pixels that neighbouring tiles share.")]
Reduce = Annotated[
    str | None,
    option(
        TILES,
        metavar="N|off",
        help="Show the model an image of N pixels on the shorter side, or every pixel; "
        "default: the model's card.",
    ),
]
