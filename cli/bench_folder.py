"""`restore bench folder` and `restore bench plan`: what a folder costs beyond the network."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from restore.cli.console import Reporter
from restore.cli.machine_options import Executor, RayAddress
from restore.cli.options import Device, Model, Precision
from restore.jobs.executors import LOCAL


def folder(
    task: Annotated[str, typer.Argument(help="The head that restores.")] = "denoise",
    model: Model = None,
    device: Device = "auto",
    precision: Precision = "auto",
    pictures: Annotated[int, typer.Option(min=4, help="How many.")] = 100,
    height: Annotated[int, typer.Option(min=1)] = 512,
    width: Annotated[int, typer.Option(min=1)] = 768,
    format_: Annotated[str, typer.Option("--format", help="Of the files: jpg, png, ...")] = "jpg",
    shards: Annotated[
        int, typer.Option(min=1, help="Time this many processes against one instead.")
    ] = 1,
    executor: Executor = LOCAL,
    workers: Annotated[int, typer.Option(min=2, help="Of the executor ray.")] = 2,
    ray_address: RayAddress = "",
    json: Annotated[bool, typer.Option("--json", help="Print one JSON line.")] = False,
) -> None:
    """Time a folder of made-up pictures, as a multiple of the network's own time for them.

    With --shards or --executor ray: the throughput of several workers over their number times that
    of one, which has as many threads as each of them.
    """
    from restore import Restorer
    from restore.benchmark import folder_overhead
    from restore.media.formats import checked_ending

    ending = checked_ending(format_)
    if shards > 1 or executor != LOCAL:
        from restore.cli.bench_scaling import scaling

        options = {"model": model, "device": device, "precision": precision}
        count = shards if executor == LOCAL else workers
        shape = (height, width)
        scaling(
            task, options, count, executor, ray_address, pictures, shape, ending, Reporter(json)
        )
        return
    restorer = Restorer(task, model, device=device, precision=precision)
    reporter = Reporter(json)
    with reporter.progress("rounds") as progress:
        found = folder_overhead.measure(restorer, {}, pictures, (height, width), ending, progress)
    reporter.result(
        f"{found.pictures} pictures of {width} x {height} ({found.format}): {found.folder:.1f} s, "
        f"{found.ratio:.3f} x the network's {found.network:.1f} s\n"
        f"{restorer.card.name}, {restorer.compute.device} {restorer.compute.precision}",
        **asdict(found),
        ratio=found.ratio,
    )


def plan(
    files: Annotated[int, typer.Option(min=1, help="How many.")] = 1_000_000,
    place: Annotated[
        Path | None, typer.Option(help="Folder for them; default: the system's temporary one.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON line.")] = False,
) -> None:
    """Time plan, manifest and rerun of a folder of empty files, all of them done before."""
    from restore.benchmark import plan_overhead

    reporter = Reporter(json)
    with reporter.progress("files") as progress:
        found = plan_overhead.measure(files, place, progress)
    reporter.result(
        f"{found.files} files: planned in {found.plan:.1f} s, manifest read in "
        f"{found.read_manifest:.1f} s, run again in {found.rerun:.1f} s, {found.opened} opened, "
        f"{found.memory:.0f} MiB",
        **asdict(found),
    )
