"""`restore denoise IN OUT` and its sisters, made from the table of heads."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from restore.cli import run_clip, run_folder, run_picture, standard_streams
from restore.cli.console import Reporter
from restore.cli.machine_options import Executor, FolderDevices, RayAddress, Shard
from restore.cli.options import (
    AllowGaps,
    Audio,
    Backend,
    BitDepth,
    Codec,
    Crf,
    Deinterlace,
    Device,
    DryRun,
    EncodeQuality,
    Ensemble,
    FailFast,
    Format,
    Fps,
    Json,
    MaxMemory,
    MaxPixels,
    Model,
    Overlap,
    Overwrite,
    PixFmt,
    Precision,
    Quality,
    Quiet,
    Recursive,
    Reduce,
    Report,
    Resume,
    SkipExisting,
    Sources,
    Stages,
    Stamp,
    Strength,
    Suffix,
    Target,
    Temporal,
    Tile,
    Watch,
    Workers,
)
from restore.cli.request import Request
from restore.cli.values import split_quality
from restore.heads import Head


def command(head: Head) -> Callable[..., None]:
    """Make the command of one head."""

    def restore(
        sources: Sources,
        target: Target,
        strength: Strength = 1.0,
        bit_depth: BitDepth = "",
        encode_quality: EncodeQuality = None,
        stamp: Stamp = False,
        quality: Quality = None,
        model: Model = None,
        device: Device = "auto",
        max_memory: MaxMemory = None,
        ensemble: Ensemble = False,
        overwrite: Overwrite = False,
        json: Json = False,
        quiet: Quiet = False,
        recursive: Recursive = False,
        suffix: Suffix = "",
        format_: Format = "",
        skip_existing: SkipExisting = False,
        workers: Workers = None,
        fail_fast: FailFast = False,
        dry_run: DryRun = False,
        shard: Shard = "",
        devices: FolderDevices = 1,
        executor: Executor = "local",
        ray_address: RayAddress = "",
        watch: Watch = False,
        report: Report = None,
        codec: Codec = None,
        crf: Crf = None,
        pix_fmt: PixFmt = None,
        fps: Fps = None,
        resume: Resume = False,
        temporal: Temporal = False,
        audio: Audio = "copy",
        deinterlace: Deinterlace = "auto",
        allow_gaps: AllowGaps = False,
        precision: Precision = "auto",
        backend: Backend = "torch",
        stages: Stages = None,
        tile: Tile = "auto",
        overlap: Overlap = None,
        reduce: Reduce = None,
        max_pixels: MaxPixels = None,
    ) -> None:
        given = {name: value for name, value in locals().items() if name != "head"}
        _run(head.name, given)

    return restore


def _run(head: str, given: dict[str, Any]) -> None:
    """Call the job that the arguments mean."""
    from restore.jobs.object_store import is_remote
    from restore.jobs.routing import is_clip_run, is_folder_run

    reporter = Reporter(given.pop("json"), given.pop("quiet"))
    numbers = given["quality"], given["encode_quality"], reporter
    given["quality"], given["encode_quality"] = split_quality(*numbers)
    given["format"] = given.pop("format_")
    sources: list[Path] = given.pop("sources")
    target: Path = given.pop("target")
    overwrite: bool = given.pop("overwrite")
    report: Path | None = given.pop("report")
    devices: int = given.pop("devices")
    request = Request(head, sources, target, overwrite, reporter, report, given, devices)
    standard_streams.refuse_clips([*sources, target])
    if any(map(is_remote, (*sources, target))):
        request.refuse_report_of_remote()
        standard_streams.refuse([*sources, target])
        run_folder.run(request)
    elif is_clip_run(sources, target):
        run_clip.run(request)
    elif is_folder_run(sources, target):
        standard_streams.refuse([*sources, target])
        run_folder.run(request)
    else:
        run_picture.run(request)
