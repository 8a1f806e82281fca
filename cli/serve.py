"""`restore serve`: the web page and the HTTP API."""

from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from restore.errors import RestoreError, UsageError, pip_install

RANDOM = "random"


def serve(
    host: Annotated[
        str, typer.Option(help="Address to listen on. Others than this machine's need --token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 is any free one.")] = 8000,
    token: Annotated[
        str,
        typer.Option(
            envvar="RESTORE_TOKEN",
            help='Secret that every request must carry; "random" makes one and prints it.',
        ),
    ] = "",
    open_: Annotated[
        bool, typer.Option("--open", help="Listen on another --host without a token.")
    ] = False,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Further host name of this server, such as a proxy's."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Also write each result into this folder.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    models: Annotated[int, typer.Option(min=1, help="Models kept in memory.")] = 2,
    max_upload: Annotated[
        str, typer.Option(metavar="SIZE", help="Largest upload, such as 512MiB.")
    ] = "512MiB",
    max_pixels: Annotated[
        int, typer.Option(metavar="N", min=1, help="Most pixels of a picture or a frame.")
    ] = 100_000_000,
    queue: Annotated[int, typer.Option(min=1, help="Most files waiting or in work.")] = 64,
    queue_size: Annotated[
        str, typer.Option(metavar="SIZE", help="Most disk space of files waiting or in work.")
    ] = "8GiB",
    keep: Annotated[float, typer.Option(help="Minutes for which results are kept.")] = 60,
    keep_size: Annotated[
        str, typer.Option(metavar="SIZE", help="Most disk space of kept files.")
    ] = "4GiB",
) -> None:
    """Serve a web page and an HTTP API on this machine."""
    _check_extra()
    from restore.engine.budget import parsed
    from restore.serve.limits import Limits
    from restore.serve.security import Rules, is_local
    from restore.serve.server import bind
    from restore.serve.server import serve as run

    token, shown = _chosen(token)
    if not is_local(host) and not token and not open_:
        raise UsageError(f"--host {host} is open to other machines; give --token SECRET, or --open")
    if output is not None and not output.is_dir():
        raise RestoreError(f"{output}: no such folder")
    upload, waiting, kept = (parsed(size) for size in (max_upload, queue_size, keep_size))
    limits = Limits(upload, max_pixels, queue, keep * 60, kept, waiting, models)
    listener = bind(host, port)
    rules = Rules(host, token, tuple(allow_host or ()))
    ready = partial(_announce, host, listener.getsockname()[1], shown, not is_local(host))
    run(listener, rules, limits, device=device, output=output, ready=ready)


def _check_extra() -> None:
    try:
        import_module("restore.serve.server")
    except ImportError as error:
        if (error.name or "").partition(".")[0] == "restore":
            raise
        raise RestoreError(f"restore serve needs an extra: {pip_install('serve')}") from None


def _chosen(token: str) -> tuple[str, str]:
    """Return the token, and what is printed in its place: only a random one is shown."""
    if token == RANDOM:
        from secrets import token_urlsafe

        made = token_urlsafe(18)
        return made, made
    return token, "TOKEN" if token else ""


def _announce(host: str, port: int, token: str, is_far: bool) -> None:
    name = f"[{host}]" if ":" in host else host
    typer.echo(f"serving on http://{name}:{port}/{f'?token={token}' if token else ''}")
    if is_far and not token:
        typer.echo("note: every machine that reaches this address may use it", err=True)
