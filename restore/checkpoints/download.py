"""Download one file over HTTP: resumable, verified, and never incomplete under its name."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import urlsplit

from restore.errors import DownloadError, UnavailableError
from restore.files import sha256_of
from restore.redaction import redacted

if TYPE_CHECKING:
    import httpx

Progress = Callable[[int, int | None], None]

RETRIES = 5  # after the first attempt, within one call
BACKOFF = 0.5  # seconds before the first retry; doubles with each
CONNECT_TIMEOUT = 10.0  # seconds
READ_TIMEOUT = 30.0  # seconds without a byte
HASTY_CONNECT_TIMEOUT = 4.0  # seconds, where another source is at hand
HASTY_READ_TIMEOUT = 8.0


def download(
    url: str,
    target: Path,
    *,
    sha256: str | None = None,
    progress: Progress | None = None,
    hasty: bool = False,
) -> str:
    """Fetch an http or https `url` to `target` and return the file's SHA-256, in lower-case hex.

    An existing `target` that matches is not fetched again. Received bytes are kept in ``NAME.part``
    next to it, and a later call continues from there. If two processes fetch the same file, the
    second waits for the first; the empty ``NAME.lock`` stays, since removing it could admit two at
    once. Proxies are those of the environment (HTTPS_PROXY, NO_PROXY).

    Args:
        progress: called with the bytes so far and the total (None if the server does not state
            it); the bytes restart at 0 if the file has to start over.
        hasty: give up at the first failure, until part of the file has arrived.

    Raises `UnavailableError` if the file cannot be fetched, and another `DownloadError` if it
    cannot be written or has the wrong SHA-256.
    """
    expected = None if sha256 is None else sha256.lower()
    if expected is not None and not re.fullmatch("[0-9a-f]{64}", expected):
        raise DownloadError(f"{sha256!r} is not a SHA-256: expected 64 hexadecimal digits")
    _check_url(url)
    if (present := _present(target, expected)) is not None:
        return present
    from filelock import FileLock

    with ExitStack() as held:
        with _disk(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            held.enter_context(FileLock(target.with_name(f"{target.name}.lock")))
        if (present := _present(target, expected)) is not None:  # arrived while this process waited
            return present
        part = _Part(url, target)
        _fetch(part, progress or (lambda done, total: None), hasty)
        return part.finish(expected)


class _TransientError(Exception):
    """A failed attempt that may succeed when repeated."""


class _Part:
    """The file so far in ``NAME.part``; ``NAME.part.json`` identifies the version that it belongs
    to."""

    def __init__(self, url: str, target: Path) -> None:
        self.url, self.shown = url, redacted(url)
        self.target = target
        self.path = target.with_name(f"{target.name}.part")
        self.notes = target.with_name(f"{target.name}.part.json")
        self.size = 0
        self.arrived_now = False  # whether this call has received any bytes
        self.total: int | None = None
        self.validator: str | None = None  # None: the part cannot be resumed safely
        try:
            notes = json.loads(self.notes.read_text("utf-8"))
            size = self.path.stat().st_size
        except (OSError, ValueError):
            return
        if isinstance(notes, dict) and notes.get("url") == self.shown:
            self.size = size
            self.total = notes["total"] if type(notes.get("total")) is int else None
            self.validator = _sendable(notes.get("validator"))

    @property
    def resumable(self) -> bool:
        return self.size > 0 and self.validator is not None

    def begin(self, validator: str | None, total: int | None) -> None:
        self.size, self.total, self.validator = 0, total, validator
        with _disk(self.path):
            # In this order, a crash in between cannot pair the notes with another file's bytes.
            self.notes.unlink(missing_ok=True)
            self.path.write_bytes(b"")
            if validator is not None:
                notes = {"url": self.shown, "validator": validator, "total": total}
                self.notes.write_text(json.dumps(notes), "utf-8")

    def receive(self, chunks: Iterable[bytes], progress: Progress) -> None:
        """Append `chunks`. After a failure, the part is kept if it can be resumed."""
        try:
            with self._opened() as file:
                progress(self.size, self.total)
                for chunk in chunks:
                    self._append(file, chunk)
                    progress(self.size, self.total)
            if self.total is not None and self.size < self.total:
                raise _TransientError("the server stopped before the end of the file")
        except BaseException:
            if not self.resumable:
                self.discard()
            raise

    @contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        with _disk(self.path):
            # Unbuffered, so that a killed process keeps everything it had received.
            file = open(self.path, "ab", buffering=0)  # noqa: SIM115
        try:
            yield file
        finally:
            with _disk(self.path):
                file.close()

    def _append(self, file: BinaryIO, chunk: bytes) -> None:
        if self.total is not None and self.size + len(chunk) > self.total:
            self.validator = None
            raise DownloadError(f"{self.shown}: the server sent more than its {self.total} bytes")
        rest = memoryview(chunk)
        while rest:  # an unbuffered write may be partial
            with _disk(self.path, "; run again to resume" if self.resumable else ""):
                written = file.write(rest)
            self.size += written
            self.arrived_now = True
            rest = rest[written:]

    def discard(self) -> None:
        """Remove the part. `size` and `total` stay, for messages."""
        self.validator = None
        with _disk(self.path):
            self.notes.unlink(missing_ok=True)
            self.path.unlink(missing_ok=True)

    def is_of(self, headers: httpx.Headers) -> bool:
        """Whether the response to a resuming request is of the version in this part."""
        assert self.validator is not None
        name = "etag" if self.validator.startswith('"') else "last-modified"
        return bool(headers.get(name, self.validator) == self.validator)

    def arrived(self) -> str:
        """Return the end of an error message: how much has arrived, and that running again
        continues."""
        if not self.size:
            return ""
        of_total = "" if self.total is None else f" of {self.total}"
        again = "resume" if self.resumable else "start over"
        return f"; {self.size}{of_total} bytes arrived, run again to {again}"

    def finish(self, expected: str | None) -> str:
        """Verify the whole file, rename it to its final name, and return its SHA-256."""
        with _disk(self.path):
            found = sha256_of(self.path)  # from disk: earlier processes may have written some of it
            with open(self.path, "r+b") as file:
                os.fsync(file.fileno())
        if expected not in (None, found):
            self.discard()
            raise DownloadError(f"{self.shown}: has SHA-256 {found}, expected {expected}; removed")
        with _disk(self.target, "; run again to finish"):
            os.replace(self.path, self.target)
            self.notes.unlink(missing_ok=True)
        return found


def _fetch(part: _Part, progress: Progress, hasty: bool) -> None:
    """Complete `part`, in at most `RETRIES` further attempts."""
    import httpx

    reached = False
    with _client(hasty) as client:
        for retry in range(RETRIES + 1):
            if retry:
                time.sleep(BACKOFF * 2 ** (retry - 1))
            try:
                return _attempt(client, part, progress)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                reason = f"cannot reach {error.request.url.host}: {_why(error)}"
                if not reached:  # offline, or a wrong name: waiting would only delay the error
                    break
            except (
                _TransientError,
                httpx.TimeoutException,
                httpx.NetworkError,
                httpx.RemoteProtocolError,
            ) as error:
                reason, reached = _why(error), True
                if hasty and not part.arrived_now:
                    break
            except (httpx.HTTPError, httpx.InvalidURL) as error:  # such as a redirect to ftp://
                reason = _why(error)
                break
    raise UnavailableError(f"{part.shown}: {reason}{part.arrived()}")


def _client(hasty: bool) -> httpx.Client:
    import httpx

    read, connect = READ_TIMEOUT, CONNECT_TIMEOUT
    if hasty:
        read, connect = min(read, HASTY_READ_TIMEOUT), min(connect, HASTY_CONNECT_TIMEOUT)
    try:
        timeout = httpx.Timeout(read, connect=connect)
        return httpx.Client(follow_redirects=True, timeout=timeout)
    except (ImportError, OSError, ValueError, httpx.InvalidURL) as error:
        raise UnavailableError(
            f"the proxy or certificate settings of the environment do not work: {_why(error)}"
        ) from error


def _attempt(client: httpx.Client, part: _Part, progress: Progress) -> None:
    headers = {"Accept-Encoding": "identity"}  # offsets count the file's own bytes
    if part.resumable and part.validator is not None:
        headers |= {"Range": f"bytes={part.size}-", "If-Range": part.validator}
    with client.stream("GET", part.url, headers=headers) as response:
        if _has_rest(response, part, resuming="Range" in headers):
            part.receive(response.iter_raw(), progress)


def _has_rest(response: httpx.Response, part: _Part, *, resuming: bool) -> bool:
    """Whether the response body continues `part`; False if the part is already complete."""
    status, headers = response.status_code, response.headers
    answer = f"the server answered {status} {response.reason_phrase}".rstrip()
    if status == 429 or status >= 500:
        raise _TransientError(answer)
    encoding = headers.get("content-encoding", "")
    if status in (200, 206) and encoding.lower() not in ("", "identity"):
        # Neither length nor bytes would be those of the file.
        raise DownloadError(f"{part.shown}: the server only sends it encoded as {encoding}")
    if resuming and status in (206, 416):
        start, total = _content_range(headers, part.total)
        same = part.is_of(headers) and part.total in (None, total)
        if status == 416 and same and part.size == total:  # nothing follows the last byte
            return False
        if status == 416 or not same or part.size != start:
            part.discard()
            raise _TransientError("the server does not continue the file begun")
        part.total = total
    elif status == 200:
        etag = headers.get("etag", "")
        # If-Range takes no weak ETag: it would match another version with "the same" content.
        validator = _sendable(etag if etag.startswith('"') else headers.get("last-modified"))
        length = headers.get("content-length")
        part.begin(validator, None if length is None else int(length))
    else:
        raise UnavailableError(f"{part.shown}: {answer}")
    return True


def _content_range(headers: httpx.Headers, total: int | None) -> tuple[int | None, int | None]:
    """Return the offset of the body and the length of the file; `total` if the length is not
    stated."""
    form = r"bytes (?:([0-9]{1,18})-[0-9]{1,18}|\*)/([0-9]{1,18}|\*)"
    match = re.fullmatch(form, headers.get("content-range", ""), re.IGNORECASE)
    if match is None:
        return None, total
    start = None if match[1] is None else int(match[1])
    return start, total if match[2] == "*" else int(match[2])


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # an invalid port or address
        usable = False
    if not usable:
        raise DownloadError(
            f"{redacted(url)!r}: only http:// and https:// addresses can be downloaded"
        )


def _present(target: Path, expected: str | None) -> str | None:
    """Return the SHA-256 of `target` after verifying it; None if there is no such file."""
    try:
        found = sha256_of(target)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DownloadError(f"{target}: cannot be read: {error.strerror or error}") from error
    if expected not in (None, found):
        raise DownloadError(
            f"{target}: has SHA-256 {found}, expected {expected}; remove it to download it again"
        )
    return found


@contextmanager
def _disk(path: Path, remedy: str = "") -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise DownloadError(f"{path}: cannot be written: {reason}{remedy}") from error


def _sendable(validator: object) -> str | None:
    """Return `validator` if it can stand in a request header."""
    if isinstance(validator, str) and validator.isascii() and validator.isprintable():
        return validator or None
    return None


def _why(error: Exception) -> str:
    return " ".join(redacted(str(error)).split()) or type(error).__name__
