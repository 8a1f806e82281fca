"""Requests that tell about the server and its models, and the page."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from fastapi.responses import StreamingResponse as Stream

from restore.errors import ImageError
from restore.heads import HEADS, QUALITIES
from restore.serve import openapi
from restore.serve.request_body import announced_size
from restore.serve.routes_for_files import Jobs
from restore.serve.security import COOKIE, Rules
from restore.serve.served_job import DONE, ServedJob, Wish
from restore.serve.uploads import received
from restore.version import __version__

if TYPE_CHECKING:
    from restore.serve.http_api import Service

_KINDS = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
_PAGE = Path(str(files("restore.serve") / "page"))


def router(service: Service, rules: Rules) -> APIRouter:
    """Return every request that `routes_for_files` lacks."""
    routes = APIRouter()
    queue = service.queue

    @routes.get("/healthz", tags=["server"])
    async def health() -> dict[str, Any]:
        """Tell that the server works, and how many jobs it has."""
        return {"status": "ok", "version": __version__, "jobs": queue.counts()}

    @routes.get("/api/models", tags=["server"])
    async def models() -> dict[str, Any]:
        """List the heads, their models, the formats of results, and the server's limits."""
        return await asyncio.to_thread(_catalogue, service)

    @routes.get(
        "/api/jobs/{id}/view/{side}",
        tags=["jobs"],
        response_class=Response,
        responses=openapi.binary("A PNG or a JPEG."),
    )
    async def view(id: str, side: Literal["before", "after"]) -> Response:  # noqa: A002
        """Return a picture of a finished job in 8 bits and sRGB."""
        job = queue.get(id)
        if side == "after" and job.state != DONE:
            raise ImageError("the job has no result")
        return await _view(service, job, side)

    @routes.get(
        "/api/zip",
        tags=["jobs"],
        response_class=Stream,
        responses=openapi.binary("A ZIP file."),
    )
    async def archive(job: Jobs) -> Stream:
        """Return the results of several jobs in one ZIP file, without those no longer kept."""
        from restore.serve.archive import zipped

        done = queue.results(job)
        name = {"Content-Disposition": 'attachment; filename="restored.zip"'}
        return Stream(zipped(done), media_type="application/zip", headers=name)

    _add_inspections(routes, service)
    _add_pages(routes, rules)
    return routes


def _add_inspections(routes: APIRouter, service: Service) -> None:
    queue = service.queue

    @routes.post("/api/inspect", tags=["files"], openapi_extra=openapi.form(file_only=True))
    async def inspect(request: Request) -> dict[str, Any]:
        """Estimate noise, blur, haze, rain, darkness and JPEG blocks, and suggest a head."""
        with queue.place(announced_size(request.headers)):
            job = await received(request, service.workspace, next(iter(HEADS)))
            try:
                async with service.reading:
                    return await asyncio.to_thread(_inspected, job, service.limits.pixels)
            finally:
                job.remove()

    @routes.get("/api/inspect", tags=["files"])
    async def inspect_job(job: str) -> dict[str, Any]:
        """Do the same with the file of a job."""
        found = queue.get(job)
        async with service.reading:
            return await asyncio.to_thread(_inspected, found, service.limits.pixels)


def _add_pages(routes: APIRouter, rules: Rules) -> None:
    @routes.get("/", include_in_schema=False)
    async def page(request: Request) -> Response:
        token = request.query_params.get("token")
        if token is None:
            return _asset("index.html")
        answer = RedirectResponse("/", 303)  # the token leaves the address bar
        if rules.token:
            answer.set_cookie(COOKIE, token, httponly=True, samesite="strict")
        return answer

    @routes.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return _asset("docs.html")

    @routes.get("/page/{name}", include_in_schema=False)
    async def asset(name: str) -> Response:
        return _asset(name)


def _asset(name: str) -> Response:
    path = _PAGE / name
    if path.suffix not in _KINDS or path.name != name or not path.is_file():
        return HTMLResponse("there is no such page", 404)
    return FileResponse(path, media_type=_KINDS[path.suffix], headers={"Cache-Control": "no-cache"})


def _catalogue(service: Service) -> dict[str, Any]:
    from restore.checkpoints import store
    from restore.errors import RestoreError
    from restore.media import formats
    from restore.media.video import detect

    def model_of(head: str, quality: str) -> str | None:
        try:
            return store.find(head, None, quality).card.name
        except RestoreError:
            return None

    listed = store.catalogue()
    return {
        "heads": [
            {
                "name": head.name,
                "summary": head.summary,
                "qualities": {quality: model_of(head.name, quality) for quality in QUALITIES},
            }
            for head in HEADS.values()
        ],
        "models": [
            {
                "name": entry.name,
                "head": entry.head,
                "quality": entry.quality,
                "installed": entry.state in ("shipped", "downloaded"),
                "bytes": entry.size,
                "licence": entry.card.licence,
                "limits": entry.card.limits,
            }
            for entry in listed
        ],
        "loaded": list(service.models.names),
        "readable": sorted(end.lstrip(".") for end in formats.SUFFIXES | detect.READABLE),
        "formats": sorted(ending.lstrip(".") for ending in formats.PROPOSED),
        "limits": asdict(service.limits),
        "options": [name for name in Wish.__dataclass_fields__ if name != "head"],
    }


def _inspected(job: ServedJob, pixels: int) -> dict[str, Any]:
    from restore.inspect import inspect, judge, suggest, symptoms
    from restore.media import image as media
    from restore.serve.job_queue import one_line

    try:
        picture = media.read(job.source, max_pixels=pixels).in_8_bits()
    except ImageError as error:
        raise ImageError(one_line(error, job)) from error
    judgement = judge(picture.pixels)
    height, width = picture.pixels.shape[:2]
    return {
        "width": width,
        "height": height,
        "suggestion": suggest(judgement),
        "quality": judgement.quality,
        "findings": [asdict(one) for one in symptoms(judgement, inspect(picture.pixels))],
    }


async def _view(service: Service, job: ServedJob, side: str) -> Response:
    from restore.serve.browser_view import media_type, write_view
    from restore.serve.job_queue import one_line

    path, queue = job.folder / f"{side}.view", service.queue
    source = job.source if side == "before" else job.target
    async with service.reading:
        if not path.exists():
            try:
                await asyncio.to_thread(write_view, source, path, service.limits.pixels)
            except ImageError as error:
                raise ImageError(one_line(error, job)) from error
            except OSError:
                queue.get(job.id)  # raises if the job was removed in the meantime
                raise
    return FileResponse(path, media_type=media_type(path), headers={"Cache-Control": "private"})
