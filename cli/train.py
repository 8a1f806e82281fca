"""`restore train TASK`: make a model from pictures."""

import sys

from restore.cli.console import Reporter, to_json
from restore.cli.options import Device, Quiet
from restore.cli.train_options import (
    Clean,
    Config,
    Depth,
    Devices,
    Distill,
    Init,
    Licence,
    Network,
    Out,
    Overwrite,
    Pairs,
    PrintConfig,
    Rehearse,
    Run,
    Seed,
    Steps,
    TargetModel,
    Task,
    Tensorboard,
    Threads,
)
from restore.errors import UsageError


def train(
    task: Task,
    run: Run = None,
    clean: Clean = None,
    pairs: Pairs = None,
    depth: Depth = None,
    rehearse: Rehearse = None,
    distill: Distill = None,
    target_model: TargetModel = None,
    out: Out = None,
    config: Config = None,
    print_config: PrintConfig = False,
    overwrite: Overwrite = False,
    licence: Licence = "unknown",
    steps: Steps = None,
    seed: Seed = None,
    init: Init = None,
    network: Network = None,
    threads: Threads = None,
    device: Device = "auto",
    devices: Devices = 1,
    tensorboard: Tensorboard = False,
    quiet: Quiet = False,
) -> None:
    """Train a head on your pictures, or continue a run."""
    if run is None and not print_config:
        raise UsageError("give --run DIR, the folder of the run")
    from restore.train import job
    from restore.train.planning import plan
    from restore.train.sources import Source

    kinds = ("clean", "pairs", "depth", "rehearse", "distill")
    folders = zip(kinds, (clean, pairs, depth, rehearse, distill), strict=True)
    sources = [Source.parse(kind, text) for kind, texts in folders for text in texts or ()]
    shape = None if network is None else {"variant": network}
    changes = {"steps": steps, "seed": seed, "network": shape}
    planned = plan(task, sources, config, init, devices, target_model, **changes)
    if run is None or print_config:
        print(to_json(planned.described(), indent=1))
        return

    def say(line: str) -> None:
        if not quiet:
            print(line, file=sys.stderr, flush=True)  # above the bar, if there is one

    bar = sys.stderr.isatty() and not quiet
    with Reporter(quiet=not bar).progress(f"train {task}") as progress:
        outcome = job.run(
            planned,
            run,
            out=out,
            overwrite=overwrite,
            licence=licence,
            place=job.Hardware(device, devices, threads),
            tensorboard=tensorboard,
            say=say,
            progress=progress,
        )
    if outcome:  # only the first of several processes has one
        Reporter(quiet=quiet).result(outcome)
