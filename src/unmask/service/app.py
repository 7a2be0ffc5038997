"""Put the service together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

import unmask
from unmask.detector.detector import Detector
from unmask.model.open import open_model
from unmask.service.api import about, compat, detections, videos
from unmask.service.engine.picture_engine import PictureEngine, QueueFullError
from unmask.service.engine.video_engine import VideoEngine
from unmask.service.http.bodies import BodyLimits
from unmask.service.http.headers import HeadAsGet, SafeHeaders
from unmask.service.http.monitor import Monitor
from unmask.service.http.origins import HostAndOrigin
from unmask.service.http.problems import BAD_FIELD, BUSY, Problem, problem_kind
from unmask.service.http.rates import Rates
from unmask.service.page import routes as page
from unmask.service.services import Services
from unmask.service.settings import Settings
from unmask.service.store.database import migrate, open_database
from unmask.service.store.keys import Keys
from unmask.service.store.outputs import output_key
from unmask.service.store.pictures import PictureFolder
from unmask.service.store.retention import keep_forgetting
from unmask.service.store.store import Store

_DESCRIPTION = (
    "Is this picture real, or made or altered by AI? Send it and read the answer. "
    "Errors are problem documents (RFC 9457)."
)


def create_app(settings: Settings | None = None) -> FastAPI:
    """Return the service as an ASGI application.

    Args:
        settings: How it runs; read from the environment if None.

    Raises:
        ModelError: The model cannot be loaded.
        DatabaseError: The database cannot be used.
        ValueError: The list of trusted signers cannot be read.
    """
    settings = settings or Settings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        # Not in a thread: that has memory of its own, and what `unmask serve` took when it tried
        # the model, some 600 MiB, would not be used again.
        judging = settings.detector_settings()
        detector = Detector(open_model(settings.model, device=settings.device), judging)
        database = open_database(settings.url)
        await asyncio.to_thread(migrate, database)
        services = Services(
            settings=settings,
            detector=detector,
            engine=PictureEngine(detector, settings),
            videos=VideoEngine(settings, judging) if VideoEngine.can(settings) else None,
            store=Store(database, output_key(detector.model.card, judging)),
            keys=Keys(database),
            pictures=PictureFolder(settings.pictures_dir),
            rates=Rates(),
        )
        app.state.services = services
        forgetting = asyncio.create_task(
            keep_forgetting(settings, services.store, services.pictures)
        )
        await services.engine.start()
        yield
        forgetting.cancel()
        with suppress(asyncio.CancelledError):
            await forgetting
        if services.videos:
            await services.videos.close()
        await services.engine.close()
        database.dispose()

    app = FastAPI(
        title="unmask",
        version=unmask.__version__,
        description=_DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    for router in (detections.router, videos.router, about.router, compat.router, page.router):
        app.include_router(router)
    page.mount(app)
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _bad_field)
    app.add_exception_handler(QueueFullError, _busy)
    # The last one added is the first to see a request.
    app.add_middleware(
        BodyLimits,
        max_bytes=settings.max_body_bytes,
        others=dict.fromkeys((videos.PLACE, page.VIDEO_PLACE), settings.max_video_body_bytes),
        seconds=settings.body_seconds,
        max_held=int(settings.held_mb * 2**20),
    )
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["Authorization", "X-API-Key"],
        )
    app.add_middleware(HostAndOrigin, hosts=settings.allowed_hosts, origins=settings.cors_origins)
    app.add_middleware(Monitor)
    app.add_middleware(SafeHeaders)
    app.add_middleware(HeadAsGet)
    return app


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101  (for the type checker)
    return page.problem_response(request, error)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    kind = problem_kind(error.status_code)
    detail = {404: "There is nothing at this address.", 405: "This cannot be done here."}.get(
        error.status_code, str(error.detail)
    )
    return page.problem_response(request, Problem(kind, detail, error.headers or {}))


async def _bad_field(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    errors = [
        {"field": ".".join(str(part) for part in one["loc"][1:]), "message": one["msg"]}
        for one in error.errors()
    ]
    detail = "; ".join(f"{one['field']}: {one['message']}" for one in errors)
    return page.problem_response(request, Problem(BAD_FIELD, f"{detail}.", more={"errors": errors}))


async def _busy(request: Request, error: Exception) -> Response:
    detail = "More files are waiting than the service can hold; try again in a moment."
    return page.problem_response(request, Problem(BUSY, detail, {"Retry-After": "2"}))
