"""``/v1/detections``: ask about pictures, and find, see and delete what was asked."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from unmask.model.calibration import CalibrationName
from unmask.picture.errors import PictureError
from unmask.service.answer_pictures import UploadResult, answer_pictures
from unmask.service.api.callers import NOBODY, DetectCaller, HistoryCaller
from unmask.service.api.schemas import (
    Deleted,
    DetectionOut,
    DetectionsOut,
    HistoryOut,
    UploadProblem,
    detection_out,
)
from unmask.service.heatmap import Head, heatmap_png
from unmask.service.http.problems import NOT_FOUND, Problem
from unmask.service.http.uploads import form_of, uploads_in
from unmask.service.services import services_of
from unmask.service.store.store import VIDEO, Detection
from unmask.verdict.decide import Call

router = APIRouter(prefix="/v1", tags=["detections"])
Before = Query(ge=0, lt=2**63, description="`next` of the page before")
# A result never changes, but whoever deletes it wants it gone.
_BRIEFLY = {"Cache-Control": "private, max-age=300"}

FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {
                            "type": "array",
                            "items": {"type": "string", "format": "binary"},
                            "description": "one picture, or the field several times",
                        }
                    },
                }
            }
        },
    }
}


@router.post(
    "/detections",
    status_code=201,
    response_model=DetectionsOut,
    openapi_extra=FORM,
    summary="Ask about one or several pictures",
)
async def create(
    request: Request,
    response: Response,
    caller: DetectCaller,
    calibration: Annotated[
        CalibrationName | None, Query(description="how the probability is read")
    ] = None,
    threshold: Annotated[
        float | None,
        Query(ge=0, le=1, description="call fake from this p_fake on, and nothing unsure"),
    ] = None,
    promise: Annotated[
        float | None,
        Query(gt=0, lt=1, description="share of wrong answers to keep to, as the card has it"),
    ] = None,
    prior: Annotated[
        float | None,
        Query(gt=0, lt=1, description="how common fakes are where the pictures come from"),
    ] = None,
) -> DetectionsOut:
    """Send pictures as multipart/form-data in a field called `file`, once or several times.

    A picture that cannot be read costs its own entry in `problems`. Where none can be read the
    answer is the first one's problem document.
    """
    services = services_of(request)
    caller.admit(services)
    async with form_of(request, services.settings) as form:
        uploads = await uploads_in(form, services.settings)
    if len(uploads) > 1:
        caller.admit(services, len(uploads) - 1)
    asked = {
        "calibration": calibration, "threshold": threshold, "promise": promise, "prior": prior,
    }  # fmt: skip
    reading = services.detector.settings.model_copy(
        update={name: value for name, value in asked.items() if value is not None}
    )
    results = await answer_pictures(services, caller.owner, uploads, reading)
    answered = [one.detection for one in results if one.detection]
    if not answered:
        raise first_problem(results)
    if len(results) == 1:
        response.headers["Location"] = f"/v1/detections/{answered[0].id}"
    return DetectionsOut(
        detections=[detection_out(one, services) for one in answered],
        problems=[
            UploadProblem(index=index, name=one.upload.name, **one.problem.document())
            for index, one in enumerate(results)
            if one.problem
        ],
    )


@router.get("/detections", response_model=HistoryOut, summary="List what was asked, newest first")
async def history(
    request: Request,
    caller: HistoryCaller,
    q: Annotated[str, Query(max_length=100, description="only names that contain this")] = "",
    verdict: Annotated[Call | None, Query()] = None,
    before: Annotated[int | None, Before] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> HistoryOut:
    """List the caller's history: that of the key, of the browser, or the one that all share."""
    services = services_of(request)
    if caller.owner == NOBODY:
        return HistoryOut(detections=[], total=0, next=None)
    page = await asyncio.to_thread(
        services.store.page,
        caller.owner,
        search=q,
        verdict=verdict,
        videos=False,
        before=before,
        limit=limit,
    )
    return HistoryOut(
        detections=[detection_out(one, services) for one in page.detections],
        total=page.total,
        next=page.next,
    )


@router.delete("/detections", response_model=Deleted, summary="Delete the whole history")
async def delete_all(request: Request, caller: HistoryCaller) -> Deleted:
    """Delete all that the caller's history holds, and the pictures kept for it."""
    services = services_of(request)
    if caller.owner == NOBODY:
        return Deleted(deleted=0)
    count, hashes = await asyncio.to_thread(services.store.delete, caller.owner)
    await asyncio.to_thread(services.pictures.drop, hashes)
    return Deleted(deleted=count)


@router.get("/detections/{id}", response_model=DetectionOut, summary="See one result")
async def one(request: Request, id: str, caller: DetectCaller) -> DetectionOut:
    """See a result. Its id is random: whoever was given it may look, in any history."""
    return detection_out(await find(request, id), services_of(request))


@router.delete("/detections/{id}", status_code=204, summary="Delete one result")
async def delete(request: Request, id: str, caller: HistoryCaller) -> Response:
    """Delete a result of one's own history, and the picture if it was kept."""
    services = services_of(request)
    try:
        if caller.owner == NOBODY:
            raise KeyError(id)
        _, hashes = await asyncio.to_thread(services.store.delete, caller.owner, id)
    except KeyError:
        raise _no_such() from None
    await asyncio.to_thread(services.pictures.drop, hashes)
    return Response(status_code=204)


@router.get(
    "/detections/{id}/heatmap.png",
    response_class=Response,
    responses={200: {"content": {"image/png": {}}}},
    summary="See which parts spoke for the answer",
)
async def heatmap(
    request: Request,
    id: str,
    caller: DetectCaller,
    head: Annotated[
        Head, Query(description="explain the verdict, or what the picture shows")
    ] = "fake",
    longest: Annotated[int, Query(ge=64, le=2048, description="longer side, in pixels")] = 1024,
) -> Response:
    """A transparent map to lay over the picture, made from the stored output.

    Red speaks for fake (or for the category), blue against it. The picture is not needed.
    """
    services = services_of(request)
    detection = await find(request, id)
    stored = await asyncio.to_thread(services.store.output, id)
    card = services.card
    if head == "category" and not card.categories:
        raise Problem(NOT_FOUND, "This model tells no categories.")
    answered = detection.result["model"]["sha256"] == card.sha256
    if stored is None or stored.output.maps is None or not answered:
        raise Problem(NOT_FOUND, "There is no heatmap for this result.")
    png = await asyncio.to_thread(heatmap_png, stored, card, head, longest)
    return Response(png, media_type="image/png", headers=_BRIEFLY)


@router.get(
    "/detections/{id}/picture.webp",
    response_class=Response,
    responses={200: {"content": {"image/webp": {}}}},
    summary="See a small copy of the picture, where it is kept",
)
async def picture(request: Request, id: str, caller: DetectCaller) -> Response:
    """A copy made from pixels alone, without the metadata of the file that was sent."""
    services = services_of(request)
    detection = await find(request, id)
    data = await asyncio.to_thread(services.pictures.read, detection.result["sha256"])
    if data is None:
        raise Problem(NOT_FOUND, "The picture was not kept.")
    try:
        with services.engine.places(1):
            small = await services.engine.preview(data)
    except PictureError as error:
        raise Problem(NOT_FOUND, str(error)) from None
    return Response(small, media_type="image/webp", headers=_BRIEFLY)


async def find(request: Request, id: str, *, video: bool | None = False) -> Detection:
    """Return what was asked about by its id.

    Args:
        request: Who asks.
        id: Its public name.
        video: Whether it is on a video; None where either will do.

    Raises:
        Problem: There is no such.
    """
    found = await asyncio.to_thread(services_of(request).store.get, id)
    if found is None or (video is not None and is_video(found) != video):
        raise _no_such()
    return found


def is_video(detection: Detection) -> bool:
    """Say whether a result is on a video."""
    return bool(detection.result["category"] == VIDEO)


def first_problem(results: list[UploadResult]) -> Problem:
    """Return the problem of the first upload that has one."""
    return next(one.problem for one in results if one.problem)


def _no_such() -> Problem:
    return Problem(NOT_FOUND, "There is no such result; it may have been deleted.")
