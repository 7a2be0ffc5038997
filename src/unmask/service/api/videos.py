"""``/v1/videos``: ask about a video, and find, see and delete what was asked."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from unmask.service.answer_videos import COST, answer_video, require_videos, timeline_of
from unmask.service.api.callers import NOBODY, DetectCaller, HistoryCaller
from unmask.service.api.detections import Before, delete, find
from unmask.service.api.schemas import VideoHistoryOut, VideoOut, video_out
from unmask.service.http.uploads import form_of, video_in
from unmask.service.services import services_of
from unmask.video.output import timeline_csv, timeline_plot
from unmask.video.sample import Sampling

router = APIRouter(prefix="/v1", tags=["videos"])
PLACE = "/v1/videos"

FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "string", "format": "binary", "description": "one video"}
                    },
                }
            }
        },
    }
}


@router.post(
    "/videos",
    status_code=201,
    response_model=VideoOut,
    openapi_extra=FORM,
    summary="Ask about a video",
)
async def create(
    request: Request,
    response: Response,
    caller: DetectCaller,
    sampling: Annotated[
        Sampling,
        Query(description="frames evenly in time, at changes of scene, or every one"),
    ] = "uniform",
) -> VideoOut:
    """Send one video as multipart/form-data in a field called `file`, and wait for the answer.

    MP4, MOV, WebM, MKV, AVI, and animated GIF, WebP and PNG. A video counts as 20 pictures against
    your rate.
    """
    services = services_of(request)
    require_videos(services)
    caller.admit(services, COST)
    async with form_of(request, services.settings) as form:
        detection, pictures = await answer_video(services, caller.owner, video_in(form), sampling)
    answer = video_out(detection)
    for moment, picture in zip(answer.moments, pictures, strict=False):
        moment.picture = picture
    response.headers["Location"] = answer.links.self
    return answer


@router.get("/videos", response_model=VideoHistoryOut, summary="List videos, newest first")
async def history(
    request: Request,
    caller: HistoryCaller,
    q: Annotated[str, Query(max_length=100, description="only names that contain this")] = "",
    before: Annotated[int | None, Before] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> VideoHistoryOut:
    """List the videos of the caller's history, without their timelines."""
    services = services_of(request)
    if caller.owner == NOBODY:
        return VideoHistoryOut(videos=[], total=0, next=None)
    page = await asyncio.to_thread(
        services.store.page, caller.owner, search=q, videos=True, before=before, limit=limit
    )
    videos = [video_out(one) for one in page.detections]
    for video in videos:
        video.timeline = []
    return VideoHistoryOut(videos=videos, total=page.total, next=page.next)


@router.get("/videos/{id}", response_model=VideoOut, summary="See what was found in a video")
async def one(request: Request, id: str, caller: DetectCaller) -> VideoOut:
    """See a result. Its id is random: whoever was given it may look, in any history."""
    return video_out(await find(request, id, video=True))


router.delete("/videos/{id}", status_code=204, summary="Delete what was found in a video")(delete)


@router.get(
    "/videos/{id}/timeline.csv",
    response_class=Response,
    responses={200: {"content": {"text/csv": {}}}},
    summary="Get the timeline as a table",
)
async def table(request: Request, id: str, caller: DetectCaller) -> Response:
    """One line a judged frame: time, frame, p_fake, faces, face_p_fake."""
    detection = await find(request, id, video=True)
    return Response(timeline_csv(timeline_of(detection.result)), media_type="text/csv")


@router.get(
    "/videos/{id}/timeline.png",
    response_class=Response,
    responses={200: {"content": {"image/png": {}}}},
    summary="Get the timeline as a plot",
)
async def plot(request: Request, id: str, caller: DetectCaller) -> Response:
    """p(fake) over time, with the threshold and the stretches that look fake."""
    result = (await find(request, id, video=True)).result
    png = await asyncio.to_thread(timeline_plot, timeline_of(result), threshold=result["threshold"])
    return Response(png, media_type="image/png")
