"""The endpoints of older systems of this kind, so that their clients keep working."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from unmask.picture.decode import read_bytes
from unmask.picture.errors import PictureError
from unmask.service.answer_pictures import UNCALIBRATED, UploadResult, answer_pictures
from unmask.service.api.callers import DetectCaller
from unmask.service.api.detections import FORM, first_problem
from unmask.service.http.problems import NOT_FOUND, Problem
from unmask.service.http.uploads import Upload, form_of, uploads_in
from unmask.service.services import services_of

router = APIRouter(tags=["compatibility"])
OldVerdict = Literal["REAL", "FAKE"]


class OldPrediction(BaseModel):
    """One picture's answer, as older systems gave it."""

    filename: str
    real_prob: float
    fake_prob: float
    verdict: OldVerdict


class DebugAnswer(BaseModel):
    """The answer for a picture on the server."""

    ok: Literal[True] = True
    prediction: OldVerdict
    confidence: float = Field(description="probability of the prediction")
    used_calibration: bool


@router.post(
    "/predict", response_model=OldPrediction, openapi_extra=FORM, summary="Ask, in the old way"
)
async def predict(
    request: Request,
    caller: DetectCaller,
    threshold: Annotated[
        float, Query(ge=0, le=1, description="call REAL from this real_prob on")
    ] = 0.5,
) -> OldPrediction:
    """Send one picture as multipart/form-data in a field called `file`."""
    services = services_of(request)
    caller.admit(services)
    async with form_of(request, services.settings) as form:
        upload = (await uploads_in(form, services.settings))[0]
    reading = services.detector.settings
    p_fake = _p_fake(await answer_pictures(services, caller.owner, [upload], reading))
    p_real = round(1 - p_fake, 4)
    return OldPrediction(
        filename=upload.name,
        real_prob=p_real,
        fake_prob=p_fake,
        verdict="REAL" if p_real >= threshold else "FAKE",
    )


@router.get("/debug", response_model=DebugAnswer, summary="Ask about a picture on the server")
async def debug(
    request: Request,
    caller: DetectCaller,
    image: Annotated[str, Query(description="a name inside the uploads folder")],
    use_calib: Annotated[bool, Query(description="1 for calibrated figures")] = True,
) -> DebugAnswer:
    """Off unless the operator names a folder (`UNMASK_DEBUG_FOLDER`)."""
    services = services_of(request)
    caller.admit(services)
    folder = services.settings.debug_folder
    path = await asyncio.to_thread(find_inside, folder, image) if folder else None
    if path is None:
        raise Problem(NOT_FOUND, "There is no such picture.")
    try:
        data = await asyncio.to_thread(read_bytes, path, services.settings.limits)
    except PictureError:
        raise Problem(NOT_FOUND, "There is no such picture.") from None
    reading = services.detector.settings.model_copy(
        update={"calibration": None if use_calib else UNCALIBRATED}
    )
    upload = Upload(path.name, data)
    p_fake = _p_fake(await answer_pictures(services, caller.owner, [upload], reading))
    return DebugAnswer(
        prediction="FAKE" if p_fake >= 0.5 else "REAL",
        confidence=round(max(p_fake, 1 - p_fake), 4),
        used_calibration=use_calib,
    )


def _p_fake(results: list[UploadResult]) -> float:
    detection = results[0].detection
    if detection is None:
        raise first_problem(results)
    return float(detection.result["p_fake"])


def find_inside(folder: Path, name: str) -> Path | None:
    """Return the regular file of this name inside a folder; None for anything else.

    Dots, absolute paths, links that lead out, drives, streams and NULs all come to nothing: what
    counts is where the file really lies, after all links.
    """
    if not name or "\0" in name or "\\" in name:
        return None
    try:
        inside = folder.resolve(strict=True)
        path = (inside / name).resolve(strict=True)
        return path if path.is_relative_to(inside) and path.is_file() else None
    except (OSError, RuntimeError, ValueError):  # RuntimeError: links in a circle.
        return None
