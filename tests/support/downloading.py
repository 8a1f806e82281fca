"""Helpers of the downloader's tests: bodies, an interrupted start, failures, files left behind."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from http_server import Answer, Server

from restore.checkpoints.download import download
from restore.errors import DownloadError

ROOT = Path(__file__).parents[2]
BODY = hashlib.shake_256(b"a checkpoint").digest(10_000)
OTHER = hashlib.shake_256(b"its next version").digest(10_000)
PROXIES = [f"{kind}_proxy" for kind in ("http", "https", "all", "no")]


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def beside(target: Path) -> set[str]:
    """Endings of the files next to the target, without the lock."""
    return {path.name.removeprefix(target.name) for path in target.parent.iterdir()} - {".lock"}


def part(target: Path) -> Path:
    return target.with_name(target.name + ".part")


def fails(url: str, target: Path, *, sha256: str | None = None) -> str:
    """The message of a download that must fail; nothing may stand under the final name."""
    with pytest.raises(DownloadError) as caught:
        download(url, target, sha256=sha256)
    message = str(caught.value)
    assert "\n" not in message
    assert not target.exists()
    return message


def begin(server: Server, target: Path, have: int, *after: Answer, **kind: object) -> str:
    """Leave a part of `have` bytes of `BODY`, then let the server go on with `after`."""
    cut = Answer(body=BODY, cut=have, **kind)  # type: ignore[arg-type]
    url = server.serve("/m", cut, Answer(status=403))
    fails(url, target)
    assert part(target).read_bytes() == BODY[:have]
    server.requests.clear()
    return server.serve("/m", *after)
