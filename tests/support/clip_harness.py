"""A clip without a network, to be killed: ``python clip_harness.py IN OUT [resume]``.

Every frame is turned a little darker than it was, the more the later it comes, slowly.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from restore.jobs.clip_work_folder import ResumePolicy
from restore.jobs.resumable_clip import settle, write_clip
from restore.media.video import segments
from restore.media.video.encoders import EncodeOptions

segments.FRAMES = 8


class Fading:
    """Remembers how many frames it has seen."""

    def __init__(self) -> None:
        self.seen = 0

    def __call__(self, images: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        for image in images:
            time.sleep(0.004)
            self.seen += 1
            yield np.clip(image, 0, 1) * np.float32(1 - self.seen / 200)

    def state(self) -> dict[str, np.ndarray]:
        return {"seen": np.array(self.seen)}

    def resume(self, state: dict[str, np.ndarray]) -> None:
        self.seen = int(state["seen"])


def main(source: Path, target: Path, resume: bool) -> None:
    fading = Fading()
    file, encoding = settle(source, target, EncodeOptions())
    policy = ResumePolicy(resume=resume)
    made = write_clip(file, target, encoding, fading, {}, memory=fading, policy=policy)
    print(made.frames, made.resumed)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:] == ["resume"])
