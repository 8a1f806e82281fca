"""The body of a request: counted, and read to its end before an error is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from restore.serve.limits import UploadTooLargeError

_DRAINED = 64 * 2**20
_SECONDS = 10
"""Bytes and time that are spent on reading a refused body."""


class RequestBody:
    """Wraps the ``receive`` of an ASGI request. A body of more than ``most`` bytes is refused."""

    def __init__(self, receive: Any, most: int):
        self._receive = receive
        self._most = most
        self._seen = 0
        self._complete = False

    async def __call__(self) -> Any:
        """Return the next message. Raises `UploadTooLargeError`."""
        message = await self._next()
        if self._seen > self._most:
            raise UploadTooLargeError(too_large(self._most))
        return message

    async def drain(self) -> None:
        """Read what is left, within limits, and drop it.

        Closing a connection with unread data resets it, and the client would not see the answer.
        """
        until = self._seen + _DRAINED

        async def read() -> None:
            while not self._complete and self._seen < until:
                await self._next()

        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(read(), _SECONDS)

    async def _next(self) -> Any:
        message = await self._receive()
        self._seen += len(message.get("body", b""))
        self._complete = message["type"] != "http.request" or not message.get("more_body", False)
        return message


def announced_size(headers: Mapping[str, str]) -> int | None:
    """Return the bytes of a request's body by its headers, None where they do not state it."""
    stated = headers.get("content-length", "")
    return int(stated) if stated.isdecimal() else None


def too_large(most: int) -> str:
    """Return the message for an upload above the limit."""
    return f"the upload is larger than {most / 2**20:,.0f} MiB, the most that this server accepts"
