"""The server process."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import uvicorn

from restore.errors import RestoreError
from restore.serve.http_api import Service, make_app, open_service
from restore.serve.limits import Limits
from restore.serve.security import Rules

_GRACE = 3
"""Seconds that open connections have to end after a signal."""
_IDLE = 30
"""Seconds after which an idle connection is closed."""
_CONNECTIONS = 256


class _Server(uvicorn.Server):
    """Stops the work at the first signal: streams of progress would never end otherwise."""

    def __init__(self, config: uvicorn.Config, service: Service, ready: Callable[[], None]):
        super().__init__(config)
        self._service = service
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._service.queue.stop()
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        # Here signals are still caught: another Ctrl-C does not leave files behind.
        await asyncio.to_thread(self._service.close)


def bind(host: str, port: int) -> socket.socket:
    """Open the socket to listen on; ``port`` 0 is any that is free. Raises `RestoreError`."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        raise RestoreError(
            f"cannot listen on {host}, port {port}: {error.strerror or error}; choose another port"
        ) from error
    # Connections inherit it. Otherwise the body of an answer waits some 40 ms for the client to
    # acknowledge the headers, since asyncio sets it for sockets with an explicit protocol alone.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def serve(
    listener: socket.socket,
    rules: Rules,
    limits: Limits,
    *,
    device: str = "auto",
    output: Path | None = None,
    ready: Callable[[], None] = lambda: None,
) -> None:
    """Answer requests until SIGINT or SIGTERM; then cancel the work and remove all files.

    Args:
        device: as for `Restorer`.
        output: folder that gets a copy of each result.
        ready: called once requests are answered.
    """
    service = open_service(limits, device, output)
    try:
        config = uvicorn.Config(
            make_app(service, rules),
            lifespan="off",  # its end would be skipped after a second Ctrl-C, with a traceback
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_GRACE,
            timeout_keep_alive=_IDLE,
            limit_concurrency=_CONNECTIONS,
        )
        _Server(config, service, ready).run(sockets=[listener])
    finally:
        service.close()
