"""The downloader against refusals, networks that go, disks that fill, and kills."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from downloading import BODY, ROOT, begin, beside, fails, part, sha
from http_server import Answer, Server

from restore.checkpoints import download as module
from restore.checkpoints.download import RETRIES, download
from restore.errors import DownloadError

# Refusals


@pytest.mark.parametrize("status", [204, 304, 401, 403, 404, 410])
def test_a_refusal_is_one_line_and_not_retried(server: Server, target: Path, status: int) -> None:
    url = server.serve("/m", Answer(status=status))
    message = fails(url, target)
    assert url in message
    assert str(status) in message
    assert len(server.requests) == 1
    assert beside(target) == set()


def test_no_message_and_no_note_shows_credentials(server: Server, target: Path) -> None:
    refused = server.serve("/m", Answer(status=403)).replace("://", "://user:hidden@")
    assert fails(refused, target).startswith(f"{server.url}/m: ")
    cut = server.serve("/n", Answer(body=BODY, cut=9)).replace("://", "://user:hidden@")
    assert "hidden" not in fails(cut, target)
    assert "hidden" not in part(target).with_name(f"{part(target).name}.json").read_text()


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again(server: Server, target: Path, status: int) -> None:
    url = server.serve("/m", *[Answer(status=status)] * RETRIES, Answer(body=BODY))
    assert download(url, target) == sha(BODY)


def test_a_server_that_stays_busy_is_an_error(server: Server, target: Path) -> None:
    url = server.serve("/m", Answer(status=503))
    assert fails(url, target) == f"{url}: the server answered 503 Service Unavailable"
    assert len(server.requests) == RETRIES + 1
    assert beside(target) == set()


def test_a_refusal_keeps_what_an_earlier_call_got(server: Server, target: Path) -> None:
    fails(begin(server, target, 3000, Answer(status=403)), target)
    assert part(target).read_bytes() == BODY[:3000]


@pytest.mark.parametrize("have", [0, 3000])
def test_gzip_nobody_asked_for_is_refused(server: Server, target: Path, have: int) -> None:
    packed = Answer(body=BODY, gzip=True)
    url = begin(server, target, have, packed) if have else server.serve("/m", packed)
    assert "gzip" in fails(url, target)
    assert not have or part(target).read_bytes() == BODY[:have]


@pytest.mark.parametrize(
    "url",
    [
        *("", "model.npz", "/etc/passwd", "file:///etc/passwd", "ftp://h/m", "https:///m"),
        *("http://", "http://h:x/m", "http://[::1/m", "http://h:70000/m"),
    ],
)
def test_only_http_addresses_are_taken(target: Path, url: str) -> None:
    assert "http" in fails(url, target)
    assert not target.parent.exists()


@pytest.mark.parametrize("to", ["file:///etc/passwd", "ftp://127.0.0.1/m", "/m"])
def test_a_redirect_to_nowhere_is_one_line(server: Server, target: Path, to: str) -> None:
    url = server.serve("/m", Answer(status=302, location=to))
    assert url in fails(url, target)
    assert {r.path for r in server.requests} == {"/m"}


@pytest.fixture
def dead() -> Iterator[str]:
    """An address nothing listens on, and nothing else will."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}/m"


def test_a_refused_connection_names_the_host_at_once(
    target: Path, dead: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BACKOFF", -1)  # a wait would be a ValueError
    assert "cannot reach 127.0.0.1: " in fails(dead, target)
    assert beside(target) == set()


def test_a_network_gone_in_the_middle_is_waited_for(
    server: Server, target: Path, dead: str
) -> None:
    here = server.serve("/real", Answer(body=BODY, cut=4000), Answer(body=BODY))
    to = [Answer(status=302, location=place) for place in (here, dead, dead, here)]
    assert download(server.serve("/m", *to), target) == sha(BODY)
    assert sum(r.sent for r in server.requests) == len(BODY)


def test_a_network_gone_for_good_says_what_arrived(server: Server, target: Path, dead: str) -> None:
    here = server.serve("/real", Answer(body=BODY, cut=4000))
    to = [Answer(status=302, location=place) for place in (here, dead)]
    message = fails(server.serve("/m", *to), target)
    assert "cannot reach 127.0.0.1: " in message
    assert message.endswith(f"4000 of {len(BODY)} bytes arrived, run again to resume")


def test_an_unknown_host_is_named(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*args: object, **kwargs: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)  # a real look-up may take seconds
    message = fails("http://models.invalid/m", target)
    assert "cannot reach models.invalid: " in message
    assert "not known" in message


def test_a_silent_server_times_out(
    server: Server, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "READ_TIMEOUT", 0.1)
    url = server.serve("/m", Answer(body=BODY, stall=3000), Answer(body=BODY))
    assert download(url, target) == sha(BODY)
    assert [r.range for r in server.requests] == [None, "bytes=3000-"]


# The disk


def test_a_folder_that_cannot_be_made_is_one_line(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DownloadError, match="Not a directory"):
        download(server.serve("/m", Answer(body=BODY)), tmp_path / "file" / "deeper" / "m")


def test_a_folder_in_the_place_of_the_file_is_one_line(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="Is a directory"):
        download(server.serve("/m", Answer(body=BODY)), tmp_path)
    assert not server.requests


def test_a_part_that_cannot_be_opened_is_one_line(server: Server, target: Path) -> None:
    part(target).mkdir(parents=True)
    assert str(part(target)) in fails(server.serve("/m", Answer(body=BODY)), target)


def test_an_error_of_the_caller_is_not_taken_for_one_of_the_disk(
    server: Server, target: Path
) -> None:
    def closed(done: int, total: int | None) -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        download(server.serve("/m", Answer(body=BODY)), target, progress=closed)


# Other processes: what only the system can do

CHILD = """
import resource, signal, sys
from pathlib import Path
import httpx
from restore.checkpoints import download
from restore.errors import DownloadError

url, target, limit = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
if limit:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
print("ready", flush=True)
try:
    print(download.download(url, target))
except DownloadError as error:
    print("DownloadError", error)
"""


@pytest.fixture
def child(tmp_path: Path) -> Iterator[Callable[[str, Path, int], subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []

    def start(url: str, target: Path, limit: int = 0) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-B", "-W", "error", "-c", CHILD, url, str(target), str(limit)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"


def until(condition: Callable[[], bool], seconds: float = 60) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


def test_a_full_disk_keeps_the_part_and_resumes(
    server: Server, target: Path, child: Callable[..., subprocess.Popen[str]]
) -> None:
    url = server.serve("/m", Answer(body=BODY))
    out, err = child(url, target, 4096).communicate(timeout=60)
    assert err == ""
    assert out.splitlines()[1:] == [
        f"DownloadError {part(target)}: cannot be written: File too large; run again to resume"
    ]
    assert part(target).read_bytes() == BODY[:4096]
    assert not target.exists()
    assert download(url, target) == sha(BODY)
    assert server.requests[-1].sent == len(BODY) - 4096


def test_two_processes_fetch_the_file_once(
    server: Server, target: Path, child: Callable[..., subprocess.Popen[str]]
) -> None:
    url = server.serve("/m", Answer(body=BODY, stall=5000), Answer(body=BODY))
    both = [child(url, target), child(url, target)]
    for process in both:
        ready(process)
    assert until(lambda: len(server.requests) > 0)
    # The first is held in the middle: time for the second to do what it must not.
    assert not until(lambda: len(server.requests) > 1, 0.3)
    assert len(server.requests) == 1
    server.go_on.set()
    for process in both:
        assert process.communicate(timeout=60) == (f"{sha(BODY)}\n", "")
    assert [r.sent for r in server.requests] == [len(BODY)]


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_a_process_ended_in_the_middle_is_resumed(
    server: Server, target: Path, child: Callable[..., subprocess.Popen[str]], end: signal.Signals
) -> None:
    url = server.serve("/m", Answer(body=BODY, stall=6000), Answer(body=BODY))
    process = child(url, target)
    ready(process)
    assert until(lambda: part(target).exists() and part(target).stat().st_size == 6000)
    os.kill(process.pid, end)
    _, err = process.communicate(timeout=60)
    assert process.returncode == -end
    assert ("KeyboardInterrupt" in err) == (end == signal.SIGINT)
    assert beside(target) == {".part", ".part.json"}
    assert json.loads(target.with_name("model.npz.part.json").read_text())["total"] == len(BODY)
    assert download(url, target, sha256=sha(BODY)) == sha(BODY)
    assert server.requests[-1].range == "bytes=6000-"
    assert server.requests[-1].sent == len(BODY) - 6000
