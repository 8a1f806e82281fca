"""Requests that send and fetch files."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.background import BackgroundTask

from restore.errors import RestoreError
from restore.heads import HEADS
from restore.serve import openapi
from restore.serve.limits import JobCancelledError, UnknownJobError
from restore.serve.request_body import announced_size
from restore.serve.served_job import CANCELLED, DONE, FAILED, FINISHED, ServedJob
from restore.serve.uploads import received

if TYPE_CHECKING:
    from restore.serve.http_api import Service

Jobs = Annotated[list[str], Query(max_length=1000, description="Identities of jobs.")]
Head = Annotated[str, Path(json_schema_extra={"enum": [*HEADS]})]
_LOOK = 0.1
"""Seconds between two looks at a job, at most."""
_SOONEST, _LATE = 0.002, 0.05
"""Seconds until the first look at a job that is waited for, and the share of the time so far by
which a later look may come too late: small files take milliseconds."""
_BEAT = 15.0
"""Seconds after which a silent stream sends a comment, so that proxies keep it open."""


def router(service: Service) -> APIRouter:
    """Return the requests under ``/api`` that are about files."""
    routes = APIRouter()
    queue = service.queue

    @routes.post(
        "/api/restore/{head}",
        tags=["files"],
        response_class=Response,
        openapi_extra=openapi.form(),
        responses=openapi.binary("The restored file. X-Restore-Notes lists lost parts as JSON."),
    )
    async def restore(head: Head, request: Request) -> Response:
        """Restore a file and return it. A closed connection cancels the work."""
        with queue.place(announced_size(request.headers)):
            job = await received(request, service.workspace, head)
            queue.add(job)
        try:
            await _ended(job, request)
            if job.state != DONE:
                return _failure(job)
        except BaseException:
            queue.remove(job)
            raise
        finally:
            if job.state in (FAILED, CANCELLED):
                queue.remove(job)
        return _file(job, BackgroundTask(queue.remove, job))

    @routes.post(
        "/api/jobs", status_code=202, tags=["jobs"], openapi_extra=openapi.form(with_head=True)
    )
    async def create(request: Request) -> dict[str, Any]:
        """Put a file into the queue and return the job, whose events tell its progress."""
        with queue.place(announced_size(request.headers)):
            job = await received(request, service.workspace)
            queue.add(job)
        return job.described(queue.position(job))

    _add_jobs(routes, service)
    return routes


def _add_jobs(routes: APIRouter, service: Service) -> None:
    queue = service.queue

    @routes.get("/api/jobs/{id}", tags=["jobs"])
    async def look(id: str) -> dict[str, Any]:  # noqa: A002  # the name in the address
        """Return the state of a job."""
        job = queue.get(id)
        return job.described(queue.position(job))

    @routes.get("/api/jobs/{id}/events", tags=["jobs"], response_class=StreamingResponse)
    async def events_of_one(id: str) -> StreamingResponse:  # noqa: A002
        """Send the state of a job at every change, as server-sent events, until it has ended."""
        queue.get(id)
        return _stream(service, [id])

    @routes.get("/api/events", tags=["jobs"], response_class=StreamingResponse)
    async def events_of_many(job: Jobs) -> StreamingResponse:
        """Send the states of several jobs at every change, until all have ended."""
        return _stream(service, job)

    @routes.delete("/api/jobs/{id}", status_code=204, tags=["jobs"])
    async def cancel(id: str) -> Response:  # noqa: A002
        """Cancel a job, stop its work, and remove its files."""
        queue.remove(queue.get(id))
        return Response(status_code=204)

    @routes.get(
        "/api/jobs/{id}/result",
        tags=["jobs"],
        response_class=Response,
        responses=openapi.binary("The restored file."),
    )
    async def result(id: str) -> Response:  # noqa: A002
        """Return the result of a job."""
        return _file(_finished(service, id))


def _finished(service: Service, identity: str) -> ServedJob:
    job = service.queue.get(identity)
    if job.state == CANCELLED:
        raise JobCancelledError("the job was cancelled")
    if job.state == FAILED:
        raise UnknownJobError(f"the job failed: {job.error}")
    if job.state != DONE:
        raise UnknownJobError("the job is not done yet")
    return job


def _failure(job: ServedJob) -> JSONResponse:
    if job.state == CANCELLED:
        return JSONResponse({"error": "cancelled: the server is closing"}, 503)
    return JSONResponse({"error": job.error}, job.status)


def _file(job: ServedJob, after: BackgroundTask | None = None) -> FileResponse:
    headers = {"X-Restore-Model": str(job.facts.get("model", ""))}
    if job.facts.get("notes"):
        headers["X-Restore-Notes"] = json.dumps(job.facts["notes"])
    return FileResponse(job.target, filename=job.result_name, headers=headers, background=after)


def _stream(service: Service, identities: list[str]) -> StreamingResponse:
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(
        _events(service, identities), media_type="text/event-stream", headers=headers
    )


async def _ended(job: ServedJob, request: Request) -> None:
    """Wait for the end of a job. Raises `JobCancelledError` where the client does not."""
    began = time.monotonic()
    while job.state not in FINISHED:
        if await request.is_disconnected():
            raise JobCancelledError("cancelled: the client has gone")
        await asyncio.sleep(min(_LOOK, _SOONEST + _LATE * (time.monotonic() - began)))


async def _events(service: Service, identities: list[str]) -> AsyncIterator[str]:
    """Yield each state that differs from the last one sent of the same job."""
    sent: dict[str, str] = {}
    silent, open_ = 0.0, list(dict.fromkeys(identities))
    while open_ and not service.queue.is_closing:
        for identity in [*open_]:
            state = _state(service, identity)
            if state["state"] in (*FINISHED, "gone"):
                open_.remove(identity)
            text = json.dumps(state)
            if sent.get(identity) != text:
                sent[identity], silent = text, 0.0
                yield f"event: job\ndata: {text}\n\n"
        if silent >= _BEAT:
            silent = 0.0
            yield ": still here\n\n"
        await asyncio.sleep(_LOOK)
        silent += _LOOK
    yield "event: end\ndata: {}\n\n"


def _state(service: Service, identity: str) -> dict[str, Any]:
    try:
        job = service.queue.get(identity)
    except RestoreError as error:
        return {"id": identity, "state": "gone", "error": str(error)}
    return job.described(service.queue.position(job))
