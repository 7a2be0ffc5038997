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
from unmask.evidence.credentials import read_trust_list
from unmask.model.ensemble import load_model
from unmask.service.api import about, compat, detections, videos
from unmask.service.api.problems import BAD_FIELD, BUSY, Problem, kind_of
from unmask.service.engine.engine import Engine, QueueFullError
from unmask.service.engine.videos import Videos
from unmask.service.head import HeadAsGet
from unmask.service.page import routes as page
from unmask.service.safety.bodies import BodyLimits
from unmask.service.safety.headers import SafeHeaders
from unmask.service.safety.origins import HostAndOrigin
from unmask.service.safety.rates import Rates
from unmask.service.safety.watch import Watch
from unmask.service.services import Services
from unmask.service.settings import Settings
from unmask.service.store.answers import answerer
from unmask.service.store.database import migrate, open_database
from unmask.service.store.keys import Keys
from unmask.service.store.pictures import Pictures
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
    """
    settings = settings or Settings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        # Not in a thread: that has memory of its own, and what `unmask serve` took when it tried
        # the model, some 600 MiB, would not be used again.
        model = load_model(settings.model, settings.device)
        database = open_database(settings.url)
        await asyncio.to_thread(migrate, database)
        evidence = _evidence_settings(settings)
        services = Services(
            settings,
            Engine(model, settings),
            Store(database, answerer(model.card.sha256, *evidence)),
            Keys(database),
            Pictures(settings.pictures_dir),
            Rates(),
            Videos(settings) if Videos.can(settings) else None,
            evidence,
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
    app.add_middleware(Watch)
    app.add_middleware(SafeHeaders)
    app.add_middleware(HeadAsGet)
    return app


def _evidence_settings(settings: Settings) -> tuple[str, ...]:
    if not settings.provenance:
        return ("no provenance",)
    return (read_trust_list(settings.trust),) if settings.trust else ()


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101  (for the type checker)
    return page.problem_response(request, error)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    kind = kind_of(error.status_code)
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
