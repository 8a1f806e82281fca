"""A real `restore serve` in a process of its own."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image

FAST = {"quality": "fast"}


def png(height: int = 40, width: int = 56, seed: int | None = 0) -> bytes:
    """A noisy picture as a PNG, or with ``seed`` None a plain one."""
    pixels = np.random.default_rng(seed).integers(60, 200, (height, width, 3), np.uint8)
    if seed is None:
        pixels[:] = 128
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


@dataclass(frozen=True)
class Served:
    """A running server; ``tmp`` is its temporary folder, and ``printed`` gets what it prints after
    its address, once it has ended."""

    url: str
    client: httpx.Client
    process: subprocess.Popen[str]
    tmp: Path
    printed: list[str] = field(default_factory=list)

    def submit(self, content: bytes, name: str = "in.png", **options: Any) -> dict[str, Any]:
        data = {"head": "denoise", **FAST, **options}
        answer = self.client.post("/api/jobs", files={"file": (name, content)}, data=data)
        assert answer.status_code == 202, answer.text
        return answer.json()

    def state(self, job: dict[str, Any]) -> dict[str, Any]:
        return self.client.get(f"/api/jobs/{job['id']}").json()

    def wait(self, job: dict[str, Any], *states: str, seconds: float = 100) -> dict[str, Any]:
        wanted, until = states or ("done",), time.monotonic() + seconds
        while (now := self.state(job))["state"] not in wanted:
            assert time.monotonic() < until, now
            assert now["state"] not in ("failed", "cancelled"), now
            time.sleep(0.05)
        return now

    def events(self, path: str) -> list[tuple[str, dict[str, Any]]]:
        """All events of a stream, until it ends."""
        found = []
        with self.client.stream("GET", path) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            kind = ""
            for line in answer.iter_lines():
                key, _, value = line.partition(": ")
                if key == "event":
                    kind = value
                elif key == "data":
                    found.append((kind, json.loads(value)))
        return found

    def files(self) -> list[Path]:
        """Uploads and results that the server holds."""
        return [path for path in self.tmp.rglob("*") if path.is_file() and path.name != "lock"]

    def left(self, seconds: float = 5) -> list[Path]:
        """Files that stay: those of an answer are removed just after it was sent."""
        until = time.monotonic() + seconds
        while (found := self.files()) and time.monotonic() < until:
            time.sleep(0.01)
        return found

    def end(self, how: int = signal.SIGTERM) -> None:
        self.process.send_signal(how)
        self.process.wait(40)


@contextmanager
def serving(folder: Path, *options: object, home: Path | None = None) -> Iterator[Served]:
    """``restore serve OPTIONS`` on a free port, with ``folder`` as its temporary folder."""
    folder.mkdir(exist_ok=True)
    environment = os.environ | {"TMPDIR": str(folder), "RESTORE_HOME": str(home or folder / "home")}
    words = [str(option) for option in options]
    process = subprocess.Popen(
        [sys.executable, "-m", "restore.cli", "serve", "--port", "0", *words],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=folder,
    )
    assert process.stdout is not None
    stdout, printed = process.stdout, list[str]()
    drain = threading.Thread(target=lambda: printed.append(stdout.read()), daemon=True)
    try:
        line = process.stdout.readline()
        found = re.match(r"serving on (http://[^/]+)/", line)
        assert found, line + process.stdout.read()
        drain.start()
        with httpx.Client(base_url=found[1], timeout=120, trust_env=False) as client:
            yield Served(found[1], client, process, folder, printed)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(40)
        if drain.is_alive():
            drain.join(10)
        process.stdout.close()
