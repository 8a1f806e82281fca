"""Files that arrive in a request."""

from __future__ import annotations

import shutil
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from restore.errors import UsageError
from restore.serve.served_job import ServedJob, Wish, ending_of
from restore.serve.workspace import Workspace

if TYPE_CHECKING:
    from starlette.datastructures import UploadFile
    from starlette.requests import Request

_LONGEST = 100
"""Characters of a file's name that are kept."""
_DEEPEST = 20
"""Folders within each other that are kept."""
_HEAD = 4096
_KINDS = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/webp": "webp",
    "image/avif": "avif",
    "image/tiff": "tif",
    "image/jp2": "jp2",
    "image/bmp": "bmp",
    "video/mp4": "mp4",
    "video/webm": "webm",
    "video/x-matroska": "mkv",
}
"""Formats that an Accept header can choose."""
CHUNK = 1 << 20


async def received(request: Request, workspace: Workspace, head: str = "") -> ServedJob:
    """Store the upload of a request in a folder of its own.

    The body is a form with the field ``file``; options are further fields, or stand in the address.
    Raises `UsageError` for a body without a file and for an option.
    """
    async with request.form(max_files=1, max_fields=20, max_part_size=1 << 16) as form:
        upload: Any = form.get("file")
        if upload is None or isinstance(upload, str):
            raise UsageError("the request has no file; send one as the field 'file' of a form")
        given: dict[str, Any] = {k: v for k, v in form.items() if isinstance(v, str)}
        given |= dict(request.query_params)
        wish = wished(given, head, request.headers.get("accept", ""))
        return await _stored(upload, wish, workspace)


async def _stored(upload: UploadFile, wish: Wish, workspace: Workspace) -> ServedJob:
    from starlette.concurrency import run_in_threadpool

    name = shown_name(upload.filename or "")
    first = await upload.read(_HEAD)
    await upload.seek(0)
    folder = workspace.new_folder()
    source = folder / f"input{ending_of(name, first)}"
    try:
        await run_in_threadpool(_copy, upload.file, source)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return ServedJob(folder, name, source, wish)


def _copy(stream: Any, path: Path) -> None:
    with open(path, "wb") as file:
        shutil.copyfileobj(stream, file, CHUNK)


def shown_name(name: str) -> str:
    """Return the last part of an uploaded file's name, without control characters."""
    last = name.replace("\\", "/").rpartition("/")[2]
    plain = "".join(c for c in last if unicodedata.category(c)[0] != "C").strip(" .")
    stem, dot, ending = plain.rpartition(".")
    return f"{stem[:_LONGEST]}.{ending[:10]}" if dot else plain[:_LONGEST] or "upload"


def safe_folder(text: str) -> str:
    """Return a relative path of folders with clean names and without ``..``."""
    plain = text.replace("\\", "/").replace(":", "")  # drives of Windows
    parts = [shown_name(part) for part in plain.split("/") if part.strip(" .")]
    return "/".join(parts[:_DEEPEST])


def wished(given: dict[str, Any], head: str = "", accept: str = "") -> Wish:
    """Return the options of a request. An ``accept`` of one known kind chooses the format where
    ``format`` does not. Raises `UsageError` for unknown options and values."""
    options = {name: value for name, value in given.items() if value not in ("", None)}
    own = options.pop("head", None)
    if head and own not in (None, head):
        raise UsageError(f"the address names the head {head}, the form {own}")
    chosen = head or own or ""
    for name in options:
        if name not in Wish.__dataclass_fields__:
            known = ", ".join(Wish.__dataclass_fields__)
            raise UsageError(f"there is no option {name!r}; use {known}")
    options.setdefault("format", _KINDS.get(accept.partition(";")[0].strip().lower(), ""))
    options["format"] = options["format"].lower().lstrip(".")
    options["folder"] = safe_folder(options.get("folder", ""))
    for name, kind in (("strength", float), ("encode_quality", int)):
        if name in options:
            options[name] = _number(name, options[name], kind)
    return Wish(chosen, **options)


def _number(name: str, text: str, kind: Any) -> Any:
    try:
        return kind(text)
    except ValueError:
        raise UsageError(f"{name} is {text!r}; it must be a number") from None
