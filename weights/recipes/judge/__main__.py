"""Train, write and measure the judge of pictures behind `restore inspect`.

    python weights/recipes/judge pictures MORE
    python weights/recipes/judge samples TRAIN MORE BANK COUNT [PART OF]
    python weights/recipes/judge held-out TRAIN MORE BANK COUNT [PART OF]
    python weights/recipes/judge statistics BANK COUNT [PART OF]
    python weights/recipes/judge responses CONFIG BANK COUNT [PART OF]
    python weights/recipes/judge train CONFIG BANK COUNT RUN [STOP]
    python weights/recipes/judge adopt CONFIG JUDGE RUN
    python weights/recipes/judge features CONFIG RUN BANK COUNT [PART OF]
    python weights/recipes/judge write CONFIG RUN BANK COUNT HELD_OUT COUNT OUT
    python weights/recipes/judge measure EVAL

TRAIN is the folder of training data, EVAL that of evaluation data. ``pictures`` fetches more
pictures into MORE, from packages of Debian. ``samples`` makes COUNT samples into the folder BANK,
as the PART-th of OF processes; ``held-out`` does so from the pictures that are never trained on.
``statistics`` measures the views of a bank, ``responses`` asks the heads of CONFIG about them.
``train`` trains the trunk to the end of CONFIG, or to step STOP, and goes on where RUN was
interrupted; ``adopt`` takes the trunk of the judge JUDGE instead. ``features`` computes what the
trunk of RUN makes of a bank. ``write`` fits the head on features, calibrates it on held-out
samples, writes OUT (.safetensors) with its card, and prints a table of kinds. ``measure`` prints
the table of the shipped judge.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

import judge_card
import judge_tables
import packages
import sample_bank
import view_features
from sources import Sources
from training import Run, RunConfig

from restore.networks.judge.network import JudgeNetwork

SEED, HELD_OUT_SEED = 1, 2


def pictures(more: str) -> None:
    """Fetch more pictures."""
    packages.fetch(Path(more))


def samples(train: str, more: str, bank: str, count: str, part: str = "0", of: str = "1") -> None:
    """Make samples of the training pictures."""
    chunks = range(int(part), -(-int(count) // sample_bank.CHUNK), int(of))
    sample_bank.write(Sources(Path(train), Path(more), False), Path(bank), SEED, chunks)


def held_out(train: str, more: str, bank: str, count: str, part: str = "0", of: str = "1") -> None:
    """Make samples of the pictures kept back."""
    chunks = range(int(part), -(-int(count) // sample_bank.CHUNK), int(of))
    sample_bank.write(Sources(Path(train), Path(more), True), Path(bank), HELD_OUT_SEED, chunks)


def statistics(bank: str, count: str, part: str = "0", of: str = "1") -> None:
    """Measure the views of a bank."""
    chunks = range(int(part), -(-int(count) // sample_bank.CHUNK), int(of))
    view_features.write_statistics(Path(bank), chunks)


def responses(config: str, bank: str, count: str, part: str = "0", of: str = "1") -> None:
    """Ask the heads about the views of a bank."""
    chunks = range(int(part), -(-int(count) // sample_bank.CHUNK), int(of))
    network = JudgeNetwork(RunConfig.read(Path(config)).network)
    view_features.write_responses(network, Path(bank), chunks)


def train(config: str, bank: str, count: str, run: str, stop: str = "0") -> None:
    """Train the trunk."""
    samples = sample_bank.read(Path(bank), int(count))
    Run(RunConfig.read(Path(config)), Path(run)).train(samples, int(stop) or None)


def adopt(config: str, judge: str, run: str) -> None:
    """Take over the trunk of a judge."""
    Run(RunConfig.read(Path(config)), Path(run)).adopt(Path(judge))


def features(config: str, run: str, bank: str, count: str, part: str = "0", of: str = "1") -> None:
    """Compute the features of a bank."""
    chunks = range(int(part), -(-int(count) // sample_bank.CHUNK), int(of))
    network = Run(RunConfig.read(Path(config)), Path(run)).averaged()
    view_features.write_learned(network, Path(bank), Path(run), chunks)


def write(config: str, run: str, bank: str, count: str, held: str, others: str, out: str) -> None:
    """Fit the head, calibrate and write."""
    trained = Run(RunConfig.read(Path(config)), Path(run))
    learned_from, held_back = (
        view_features.read(Path(folder), Path(run), int(number))
        for folder, number in ((bank, count), (held, others))
    )
    flags = judge_card.write(trained, learned_from, held_back, Path(out))
    print("\n".join(judge_tables.by_kind(held_back, flags)))


def measure(data: str) -> None:
    """Measure the shipped judge."""
    for line in judge_tables.on_sets(Path(data)):
        print(line, flush=True)


COMMANDS = {
    "pictures": pictures,
    "samples": samples,
    "held-out": held_out,
    "statistics": statistics,
    "responses": responses,
    "train": train,
    "adopt": adopt,
    "features": features,
    "write": write,
    "measure": measure,
}

if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[1] not in COMMANDS:
        sys.exit((__doc__ or "").strip())
    torch.set_num_threads(1)
    COMMANDS[sys.argv[1]](*sys.argv[2:])
