"""The pages: ask, results, history, about, reference; they all work without scripts."""

from __future__ import annotations

import asyncio
import base64
import secrets
from typing import Annotated, Any, Literal

from fastapi import APIRouter, FastAPI, Query, Request
from starlette.datastructures import FormData
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from unmask.picture.decode import SUFFIXES
from unmask.service.answer_pictures import answer_pictures
from unmask.service.answer_videos import COST, answer_video, require_videos
from unmask.service.api.about import model_out
from unmask.service.api.callers import (
    KEY_COOKIE,
    NOBODY,
    VISITOR_COOKIE,
    Caller,
    identify,
    require,
)
from unmask.service.api.detections import Before, find, first_problem, is_video
from unmask.service.api.schemas import detection_out, video_out
from unmask.service.http.problems import NO_KEY, Problem
from unmask.service.http.uploads import form_of, uploads_in, video_in
from unmask.service.page.reference import reference
from unmask.service.page.words import HERE, templates
from unmask.service.services import Services, services_of
from unmask.service.store.store import Detection, HistoryPage
from unmask.video.read import SUFFIXES as VIDEO_SUFFIXES

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
_ACCEPT = ",".join(("image/*", *sorted(SUFFIXES)))
_ACCEPT_VIDEOS = ",".join(("video/*", *sorted(VIDEO_SUFFIXES)))
VIDEO_PLACE = "/video"
_A_YEAR = 365 * 86_400
_API = ("/v1/", "/predict", "/debug", "/healthz", "/readyz", "/metrics", "/openapi.json")
_ROWS = 50


class _Static(StaticFiles):
    """Our own files; a browser may keep them a while and then asks whether they changed."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "public, max-age=300"
        return response


def mount(app: FastAPI) -> None:
    """Serve the stylesheet, scripts and strings."""
    app.mount("/static", _Static(directory=HERE / "static"), name="static")


def problem_response(request: Request, problem: Problem) -> Response:
    """Return a problem as a page where a person asked for one, and as a document else."""
    wants_page = "text/html" in request.headers.get("accept", "")
    response = problem.response()
    if not wants_page or request.url.path.startswith(_API):
        return response
    if problem.kind is NO_KEY:
        return RedirectResponse("/key", 303)
    page = _page(request, "error.html", "", status=problem.kind.status, problem=problem)
    for name, value in problem.headers.items():
        page.headers[name] = value
    return page


@router.get("/")
async def home(request: Request) -> Response:
    """The page where people ask."""
    if services_of(request).settings.require_key:
        await identify(request)
    videos = services_of(request).videos is not None
    accept = f"{_ACCEPT},{_ACCEPT_VIDEOS}" if videos else _ACCEPT
    response = _page(
        request, "home.html", "/", accept=accept, accept_videos=_ACCEPT_VIDEOS, videos=videos
    )
    _set_visitor(request, response)
    return response


@router.post("/")
async def ask(request: Request) -> Response:
    """The plain form: upload, then see the results. With scripts the page uses the API instead."""
    services = services_of(request)
    caller = require(await identify(request), "detect")
    caller.admit(services)
    async with form_of(request, services.settings) as form:
        uploads = await uploads_in(form, services.settings)
    if len(uploads) > 1:
        caller.admit(services, len(uploads) - 1)
    results = await answer_pictures(
        services, caller.owner, uploads, services.detector.settings, preview=True
    )
    if len(results) == 1 and not results[0].detection:
        raise first_problem(results)
    shown = [
        {
            "name": one.upload.name,
            "problem": one.problem,
            "detection": detection_out(one.detection, services).model_dump()
            if one.detection
            else None,
            # Shown once and not kept: the picture travels inside the page.
            "preview": f"data:image/webp;base64,{base64.b64encode(one.preview).decode()}"
            if one.preview
            else None,
        }
        for one in results
    ]
    return _page(request, "result.html", "/", results=shown)


@router.get("/detections/{id}")
async def result(
    request: Request, id: str, part: Annotated[Literal["card"] | None, Query()] = None
) -> Response:
    """One result, printable; or its card alone, for the scripts of the first page."""
    require(await identify(request), "detect")
    detection = _fields(await find(request, id, video=None), services_of(request))
    if part:
        return _page(request, "part.html", "", detection=detection, fresh=True)
    shown = {"detection": detection, "preview": None, "pictures": ()}
    return _page(request, "result.html", "", results=[shown])


@router.post(VIDEO_PLACE)
async def ask_about_video(request: Request) -> Response:
    """The plain form for a video: upload, then see the result."""
    services = services_of(request)
    require_videos(services)
    caller = require(await identify(request), "detect")
    caller.admit(services, COST)
    async with form_of(request, services.settings) as form:
        detection, pictures = await answer_video(services, caller.owner, video_in(form), "uniform")
    # Shown once and not kept: the small pictures travel inside the page.
    shown = {"detection": _fields(detection, services), "pictures": pictures}
    return _page(request, "result.html", "/", results=[shown])


@router.get("/history")
async def history(
    request: Request,
    q: Annotated[str, Query(max_length=100)] = "",
    verdict: Literal["real", "fake", "unsure", ""] = "",
    before: Annotated[int | None, Before] = None,
) -> Response:
    """What was asked before, with search."""
    services = services_of(request)
    caller = require(await identify(request), "history")
    page = HistoryPage([], 0, None)
    if caller.owner != NOBODY:
        page = await asyncio.to_thread(
            services.store.page,
            caller.owner,
            search=q,
            verdict=verdict or None,
            before=before,
            limit=_ROWS,
        )
    return _page(
        request,
        "history.html",
        "/history",
        detections=[_fields(one, services) for one in page.detections],
        total=page.total,
        next=page.next,
        first=before is None,
        q=q,
        verdict=verdict,
        private=services.settings.history == "private" or caller.owner.startswith("key:"),
    )


@router.post("/history/delete")
async def delete(request: Request) -> Response:
    """Delete one result, or all, by a plain form."""
    caller = require(await identify(request), "history")
    form = await _small_form(request)
    await _delete(request, caller, None if form.get("all") else str(form.get("id", "")))
    return RedirectResponse("/history", 303)


@router.get("/about")
async def about(request: Request) -> Response:
    """What this is, how good it is, and questions people ask."""
    card = services_of(request).card
    figure = next((one for one in card.test if one.slice == "overall"), None)
    return _page(
        request,
        "about.html",
        "/about",
        model=model_out(services_of(request)),
        figure=figure.model_dump() if figure else None,
    )


@router.get("/docs")
async def docs(request: Request) -> Response:
    """The API's reference."""
    return _page(request, "docs.html", "/docs", base=request.base_url, **reference(request.app))


@router.get("/key")
async def key(request: Request) -> Response:
    """Where a person tells the page their API key."""
    return _page(request, "key.html", "", held=KEY_COOKIE in request.cookies)


@router.post("/key")
async def use_key(request: Request) -> Response:
    """Keep a key in a cookie that scripts cannot read, or forget it."""
    secret = str((await _small_form(request)).get("key", "")).strip()
    response: Response = RedirectResponse("/", 303)
    if not secret:
        response.delete_cookie(KEY_COOKIE)
        return response
    if await asyncio.to_thread(services_of(request).keys.check, secret) is None:
        return _page(request, "key.html", "", status=401, wrong=True)
    _set_cookie(request, response, KEY_COOKIE, secret)
    return response


def _fields(detection: Detection, services: Services) -> dict[str, Any]:
    """Return a result as templates take it."""
    if is_video(detection):
        return video_out(detection).model_dump()
    return detection_out(detection, services).model_dump()


async def _delete(request: Request, caller: Caller, id: str | None) -> None:
    services = services_of(request)
    if caller.owner == NOBODY:
        return
    try:
        _, hashes = await asyncio.to_thread(services.store.delete, caller.owner, id)
    except KeyError:
        return  # Gone already: as wished.
    await asyncio.to_thread(services.pictures.drop, hashes)


async def _small_form(request: Request) -> FormData:
    return await request.form(max_files=0, max_fields=8, max_part_size=4096)


def _set_visitor(request: Request, response: Response) -> None:
    """Give a browser a name of its own where histories are private."""
    if services_of(request).settings.history == "private" and (
        VISITOR_COOKIE not in request.cookies
    ):
        _set_cookie(request, response, VISITOR_COOKIE, secrets.token_urlsafe(32))


def _set_cookie(request: Request, response: Response, name: str, value: str) -> None:
    response.set_cookie(
        name,
        value,
        max_age=_A_YEAR,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )


def _page(
    request: Request, template: str, here: str, *, status: int = 200, **values: Any
) -> HTMLResponse:
    services = services_of(request)
    html = (
        templates()
        .get_template(template)
        .render(
            here=here,
            settings=services.settings,
            model_name=services.card.name,
            **values,
        )
    )
    return HTMLResponse(html, status)
