"""The ASGI application: the HTTP API, its documentation and the page."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from fastapi import FastAPI

from restore.serve import openapi, routes_for_files, routes_for_page
from restore.serve.error_answers import answer_errors
from restore.serve.job_queue import JobQueue
from restore.serve.job_runner import JobRunner
from restore.serve.limits import Limits
from restore.serve.model_cache import ModelCache
from restore.serve.security import Guard, Rules
from restore.serve.workspace import Workspace
from restore.version import __version__


@dataclass(frozen=True)
class Service:
    """Everything that requests share."""

    queue: JobQueue
    workspace: Workspace
    models: ModelCache
    limits: Limits
    reading: asyncio.Semaphore
    """Held while a picture is decoded for a view or an inspection: one at a time bounds memory."""

    def close(self) -> None:
        """Stop the work and remove all files."""
        self.queue.close()
        self.workspace.close()


def open_service(limits: Limits, device: str = "auto", output: Path | None = None) -> Service:
    """Start the queue's thread and make the folder for uploads."""
    models = ModelCache(limits.models, device)
    queue = JobQueue(JobRunner(models, limits.pixels), limits, output)
    return Service(queue, Workspace(), models, limits, asyncio.Semaphore(1))


def make_app(service: Service, rules: Rules) -> Guard:
    """Return the application, which leaves closing ``service`` to its owner."""
    app = FastAPI(
        title="restore",
        version=__version__,
        description="Removes noise, blur, rain, haze and darkness from photographs and clips.",
        docs_url=None,  # FastAPI's pages load scripts from elsewhere
        redoc_url=None,
        openapi_url="/openapi.json",
        responses=openapi.ERRORS,
    )
    answer_errors(app)
    app.include_router(routes_for_files.router(service))
    app.include_router(routes_for_page.router(service, rules))
    return Guard(app, rules, service.limits.upload_bytes)
