"""A real HTTP server on 127.0.0.1 whose every answer is scripted, for tests that download."""

from __future__ import annotations

import gzip
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The answer to one GET: by default the whole body, or the requested range."""

    body: bytes = b""
    status: int = 200  # anything else is sent as it is, without a body
    etag: str | None = '"1"'
    modified: str | None = None  # Last-Modified
    ranges: bool = True
    guarded: bool = True  # honours If-Range
    cut: int | None = None  # close the connection after this many bytes of this answer's body
    stall: int | None = None  # after this many, wait for `Server.go_on`
    length: int | None = None  # announced instead of the true Content-Length; -1: none announced
    content_range: str | None = None  # said instead of the true one
    extra: bytes = b""  # follows the body, and counts in Content-Length only
    gzip: bool = False  # compress, whatever was asked for
    location: str | None = None


@dataclass
class ReceivedGet:
    """One GET as it came, and what was sent."""

    path: str
    range: str | None
    if_range: str | None
    encoding: str | None
    status: int = 0
    sent: int = 0  # bytes of body


class Server:
    """Serves until the ``with`` block ends; `requests` holds every GET in order."""

    def __init__(self) -> None:
        self.requests: list[ReceivedGet] = []
        self.go_on = threading.Event()
        self._answers: dict[str, list[Answer]] = {}
        self._lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"owner": self})
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        # The default poll of half a second is how long each test would take to end.
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> Server:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.go_on.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def serve(self, path: str, *answers: Answer) -> str:
        """Give successive GETs of `path` these answers, and the last one ever after."""
        self._answers[path] = list(answers)
        return self.url + path

    def next_answer(self, request: ReceivedGet) -> Answer:
        with self._lock:
            self.requests.append(request)
            answers = self._answers.get(request.path, [Answer(status=404)])
            return answers.pop(0) if len(answers) > 1 else answers[0]


class _Handler(BaseHTTPRequestHandler):
    owner: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        get = self.headers.get
        # The path alone also when we are asked as a proxy, with the full address.
        path = urlsplit(self.path).path
        request = ReceivedGet(path, get("Range"), get("If-Range"), get("Accept-Encoding"))
        answer = self.owner.next_answer(request)
        with suppress(ConnectionError):  # the client may be killed on purpose
            self._send(answer, request)

    def _send(self, answer: Answer, request: ReceivedGet) -> None:
        status, start, headers = answer.status, 0, {"Connection": "close"}
        body = answer.body if status == 200 else b""
        if answer.gzip:
            headers["Content-Encoding"] = "gzip"
            body = gzip.compress(body, mtime=0)
        if answer.location:
            headers["Location"] = answer.location
        validators = {"ETag": answer.etag, "Last-Modified": answer.modified}
        headers |= {name: value for name, value in validators.items() if value}
        same = request.if_range in (None, answer.etag, answer.modified) or not answer.guarded
        if status == 200 and request.range and answer.ranges and same:
            start = int(request.range.removeprefix("bytes=").removesuffix("-"))
            status, told = 206, f"bytes {start}-{len(body) - 1}/{len(body)}"
            if start >= len(body):
                status, told = 416, f"bytes */{len(body)}"
            headers["Content-Range"] = answer.content_range or told
            body = body[start:] + (answer.extra if status == 206 else b"")
        length = len(body) if answer.length is None else answer.length
        if length >= 0:
            headers["Content-Length"] = str(length)
        request.status = status
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if answer.stall is not None:
            self._write(body[: answer.stall], request)
            self.owner.go_on.wait(10)
            body = body[answer.stall :]
        self._write(body[: answer.cut], request)
        self.close_connection = True
        if answer.cut is not None:
            self.connection.shutdown(socket.SHUT_RDWR)

    def _write(self, data: bytes, request: ReceivedGet) -> None:
        request.sent += len(data)  # before, so that it is never behind what the client has
        self.wfile.write(data)

    def log_message(self, *args: object) -> None:
        pass
