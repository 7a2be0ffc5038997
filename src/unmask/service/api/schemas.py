"""What goes out, for the API's reference and for its clients' generators."""

from __future__ import annotations

from datetime import UTC, datetime
from types import NoneType
from typing import Any, Literal, get_args, get_type_hints

from pydantic import BaseModel, Field, create_model

from unmask.picture.views import ViewKind
from unmask.service.answer_pictures import NOT_IN_RESULTS
from unmask.service.engine.video_engine import VideoFinding
from unmask.service.services import Services
from unmask.service.store.store import Detection
from unmask.verdict.verdict import FIELDS, Verdict
from unmask.video.sample import Sampling


class BandOut(BaseModel):
    """Between these probabilities the verdict is ``unsure``."""

    real_below: float
    fake_from: float


class BoxOut(BaseModel):
    """A part of the picture, in pixels from its top left corner."""

    top: float
    left: float
    bottom: float
    right: float


class ViewOut(BaseModel):
    """What the model says of one view of the picture, by itself."""

    kind: ViewKind
    logit: float = Field(description="up towards fake, down towards real")
    box: BoxOut


class ModelName(BaseModel):
    """Which model answered."""

    name: str
    sha256: str


class Timings(BaseModel):
    """Milliseconds; zeros where the answer came from the store."""

    decode_ms: float = Field(description="waiting for a decoding process, and decoding")
    wait_ms: float = Field(description="waiting for the model")
    model_ms: float = Field(description="the inference of the batch that the picture was in")
    total_ms: float = Field(description="from the end of the upload to the answer")


class Links(BaseModel):
    """Where more is."""

    self: str
    page: str = Field(description="the result for people, printable")
    heatmap: str | None = Field(description="which parts spoke for the answer; null if unknown")
    picture: str | None = Field(description="a small copy; null where pictures are not kept")


class _AskedPicture(BaseModel):
    id: str
    created: str = Field(description="ISO 8601, UTC")
    name: str = Field(description="the file's name as it was sent")
    sha256: str = Field(description="of the picture's bytes")
    width: int
    height: int


def _verdict_fields() -> dict[str, Any]:
    """Return a verdict's fields for Pydantic: those that are always set, and the rest."""
    hints = get_type_hints(Verdict)
    fields: dict[str, Any] = {}
    for name, about in FIELDS.items():
        if name in _ALWAYS_SET:
            (kind,) = (one for one in get_args(hints[name]) if one is not NoneType)
            fields[name] = (kind, Field(description=about))
        elif name not in NOT_IN_RESULTS:
            fields[name] = (hints[name], Field(getattr(_NO_VERDICT, name), description=about))
    return fields


_ALWAYS_SET = ("verdict", "p_fake", "category", "category_confidence", "decided_by")
_NO_VERDICT = Verdict("")
_PictureVerdict: Any = create_model("PictureVerdict", __base__=_AskedPicture, **_verdict_fields())


class DetectionOut(_PictureVerdict):
    """One answered picture."""

    calibration: str = Field(description="how the probability was read")
    calibrated: bool
    threshold: float | None = Field(description="as asked for; null where the band decided")
    band: BandOut
    forced: bool = Field(False, description="whether a threshold left no room for unsure")
    promise: float | None = Field(None, description="share of wrong answers asked for")
    prior: float | None = Field(None, description="how common fakes were said to be")
    score: float | None = Field(None, description="the model's logit, which is calibrated")
    views: list[ViewOut]
    model: ModelName
    from_store: bool = Field(description="whether these bytes had been answered before")
    timings: Timings
    links: Links


class VideoLinks(BaseModel):
    """Where more is."""

    self: str
    page: str = Field(description="the result for people, printable")
    timeline_csv: str
    timeline_png: str


class VideoOut(VideoFinding):
    """One answered video."""

    id: str
    created: str = Field(description="ISO 8601, UTC")
    name: str = Field(description="the file's name as it was sent")
    sha256: str = Field(description="of the video's bytes")
    category: Literal["video"]
    sampling: Sampling
    calibration: str = Field(description="how probabilities were read")
    calibrated: bool
    band: BandOut
    forced: bool = Field(False, description="whether a threshold left no room for unsure")
    promise: float | None = Field(None, description="share of wrong answers asked for")
    prior: float | None = Field(None, description="how common fakes were said to be")
    threshold: float = Field(description="from this p_fake on a frame looks rather fake")
    model: ModelName
    from_store: bool = Field(description="whether these bytes had been answered before")
    total_ms: float = Field(description="from the end of the upload to the answer")
    links: VideoLinks


class VideoHistoryOut(BaseModel):
    """The videos of a history, newest first, without their timelines."""

    videos: list[VideoOut]
    total: int
    next: int | None = Field(description="pass as `before` for the next page; null on the last")


class ProblemOut(BaseModel):
    """A problem document (RFC 9457)."""

    type: str = Field(description="a link to its entry in the reference")
    title: str
    status: int
    detail: str


class UploadProblem(ProblemOut):
    """What is wrong with one of several pictures."""

    index: int = Field(description="which of the request's pictures, from 0")
    name: str


class DetectionsOut(BaseModel):
    """The answers for one request's pictures."""

    detections: list[DetectionOut]
    problems: list[UploadProblem] = Field(description="of the pictures that have no answer")


class HistoryOut(BaseModel):
    """Part of a history, newest first."""

    detections: list[DetectionOut]
    total: int
    next: int | None = Field(description="pass as `before` for the next page; null on the last")


class Deleted(BaseModel):
    """How many results were deleted."""

    deleted: int


def detection_out(detection: Detection, services: Services) -> DetectionOut:
    """Return what goes out for a detection."""
    result = detection.result
    place = f"/v1/detections/{detection.id}"
    kept = services.pictures.has(result["sha256"])
    return DetectionOut(
        id=detection.id,
        created=_time(detection),
        name=detection.name,
        links=Links(
            self=place,
            page=f"/detections/{detection.id}",
            heatmap=f"{place}/heatmap.png" if result["explained"] else None,
            picture=f"{place}/picture.webp" if kept else None,
        ),
        **{name: value for name, value in result.items() if name != "explained"},
    )


def video_out(detection: Detection) -> VideoOut:
    """Return what goes out for a video."""
    place = f"/v1/videos/{detection.id}"
    return VideoOut(
        id=detection.id,
        created=_time(detection),
        name=detection.name,
        links=VideoLinks(
            self=place,
            page=f"/detections/{detection.id}",
            timeline_csv=f"{place}/timeline.csv",
            timeline_png=f"{place}/timeline.png",
        ),
        **detection.result,
    )


def _time(detection: Detection) -> str:
    made = datetime.fromtimestamp(detection.created / 1000, UTC)
    return made.isoformat(timespec="milliseconds")
