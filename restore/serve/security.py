"""Rules that every request must pass before anything is read of it.

A server on 127.0.0.1 is reached by every page that the user's browser opens. Such a page must
neither send work nor read results: requests of foreign pages are recognised by their Origin and
Sec-Fetch-Site, and names that were pointed at this machine (DNS rebinding) by their Host.
"""

from __future__ import annotations

import hmac
import ipaddress
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlsplit

from restore.serve.request_body import RequestBody, announced_size, too_large

Message = MutableMapping[str, Any]
App = Callable[[Any, Any, Any], Awaitable[None]]
COOKIE = "restore-token"
_OPEN = ("/healthz",)
HEADERS = {
    "content-security-policy": (
        "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    ),
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
"""Added to every answer."""


@dataclass(frozen=True)
class Rules:
    """Which requests are answered.

    ``host``: the address that the server is bound to.
    ``token``: required of every request but ``/healthz``; empty requires none.
    ``names``: further host names under which the server is reached, such as a proxy's.
    """

    host: str = "127.0.0.1"
    token: str = ""
    names: tuple[str, ...] = ()
    _own: frozenset[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        own = {"localhost", self.host, *self.names}
        if not is_local(self.host):
            own |= {socket.gethostname(), socket.getfqdn()}
        object.__setattr__(self, "_own", frozenset(name.lower() for name in own))

    def is_known_host(self, header: str) -> bool:
        """Whether a Host header names this server. An address cannot be rebound, a name can."""
        try:
            name = (urlsplit(f"//{header}").hostname or "").lower()
        except ValueError:
            return False
        if name in self._own:
            return True
        return is_local(name) if is_local(self.host) else _is_address(name)

    def refusal(self, scheme: str, path: str, headers: MutableMapping[str, str]) -> str:
        """Return why a request from a foreign host or page is refused; empty if it is not."""
        host = headers.get("host", "")
        if not self.is_known_host(host):
            return f"host {host[:80]!r} is not this server; start it with --allow-host NAME"
        origin = headers.get("origin")
        if origin is not None and not self._is_own_origin(origin, host):
            return "requests from pages of another origin are refused"
        site = headers.get("sec-fetch-site", "none")
        follows_link = headers.get("sec-fetch-mode") == "navigate" and not path.startswith("/api/")
        if site not in ("none", "same-origin") and not follows_link:
            return "requests from pages of another origin are refused"
        return ""

    def _is_own_origin(self, origin: str, host: str) -> bool:
        """Whether a page of this server sent the request; behind a proxy, the scheme differs."""
        return origin.lower() in (f"http://{host}".lower(), f"https://{host}".lower())

    def is_allowed(self, path: str, headers: MutableMapping[str, str], query: str = "") -> bool:
        """Whether a request has the token: ``Authorization: Bearer``, the page's cookie, or
        ``?token=`` in the address of the page."""
        if not self.token or path in _OPEN:
            return True
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self._is_token(given.strip()):
            return True
        if self._is_token(cookie(headers.get("cookie", ""))):
            return True
        return path == "/" and self._is_token(parse_qs(query).get("token", [""])[0])

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self.token.encode())


class Guard:
    """Wraps an ASGI app: applies `Rules`, limits the body, and adds `HEADERS` to every answer."""

    def __init__(self, app: App, rules: Rules, upload_bytes: int):
        self._app = app
        self._rules = rules
        self._most = upload_bytes

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]}
        query = scope.get("query_string", b"").decode("latin-1")
        path = scope["path"]

        body = RequestBody(receive, self._most)

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                if message["status"] >= 400:
                    await body.drain()
                extra = [(k.encode(), v.encode()) for k, v in HEADERS.items()]
                message["headers"] = [*message.get("headers", ()), *extra]
            await send(message)

        if why := self._rules.refusal(scope["scheme"], path, headers):
            await refuse(answer, 403, why)
        elif not self._rules.is_allowed(path, headers, query):
            await refuse(answer, 401, "a token is required: send Authorization: Bearer TOKEN")
        elif (announced_size(headers) or 0) > self._most:
            await refuse(answer, 413, too_large(self._most))
        else:
            await self._app(scope, body, answer)


def is_local(host: str) -> bool:
    """Whether an address or a name means this machine alone."""
    if host.lower() == "localhost":
        return True
    return _is_address(host) and ipaddress.ip_address(host).is_loopback


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def cookie(header: str) -> str:
    """Return the token in a Cookie header, or an empty text."""
    try:
        found = SimpleCookie(header).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found is not None else ""


async def refuse(send: Any, status: int, why: str) -> None:
    """Send an error as JSON."""
    import json

    body = json.dumps({"error": why}).encode()
    extra = [(b"www-authenticate", b"Bearer")] if status == 401 else []
    length = (b"content-length", str(len(body)).encode())
    headers = [(b"content-type", b"application/json"), length, *extra]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
