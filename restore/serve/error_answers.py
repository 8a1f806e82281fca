"""Errors as answers: JSON with one line, for every error."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from restore.serve.limits import STATUS

_NO_SPACE = 507
_GONE = 400


def answer_errors(app: FastAPI) -> None:
    """Have an application answer every error with ``{"error": "one line"}``."""
    for kind, status in STATUS:
        app.add_exception_handler(kind, _answering(status))
    app.add_exception_handler(OSError, _answering(_NO_SPACE))
    app.add_exception_handler(ClientDisconnect, _answering(_GONE))  # an upload that was cut off
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _answering(500, "internal error: "))


def _answering(status: int, prefix: str = "") -> Any:
    headers = {"Retry-After": "5"} if status == 503 else None

    async def answer(request: Request, error: Exception) -> JSONResponse:
        text = " ".join(str(error).split()) or type(error).__name__
        return JSONResponse({"error": f"{prefix}{text}"}, status, headers=headers)

    return answer


async def _http(request: Request, error: Exception) -> JSONResponse:
    status = getattr(error, "status_code", 500)
    detail = str(getattr(error, "detail", error))
    where = f"{request.method} {request.url.path}: {detail}"
    return JSONResponse({"error": f"{where}; see /docs"}, status)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    first = error.errors()[0] if isinstance(error, RequestValidationError) else {}
    name = ".".join(str(part) for part in first.get("loc", ()))
    return JSONResponse({"error": f"{name}: {first.get('msg', error)}"}, 422)
