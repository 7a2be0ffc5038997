"""From an uploaded video to a remembered answer: what the API and the page share."""

from __future__ import annotations

import asyncio
import hashlib
import time
from tempfile import SpooledTemporaryFile
from typing import Any, cast

from starlette.datastructures import UploadFile

from unmask.picture.errors import PictureError
from unmask.service.answer_pictures import scale_result
from unmask.service.engine.picture_engine import QueueFullError
from unmask.service.engine.video_engine import VideoEngine, VideoFinding
from unmask.service.http.problems import BUSY, NOT_A_PICTURE, NOT_FOUND, TOO_LARGE, Problem
from unmask.service.http.uploads import shown_name
from unmask.service.metrics import VIDEOS
from unmask.service.services import Services
from unmask.service.store.outputs import StoredVideo, video_key
from unmask.service.store.store import VIDEO, Detection, NewDetection
from unmask.verdict.decide import DECIMALS
from unmask.verdict.verdict import FaceVerdict
from unmask.video.pool import Segment
from unmask.video.sample import Sampling
from unmask.video.verdict import FrameVerdict, VideoVerdict

COST = 20
"""A video counts as so many pictures against a caller's rate."""
_FULL = "More videos are waiting than the service can hold; try again in a moment."


def require_videos(services: Services) -> VideoEngine:
    """Return what judges videos; raises Problem where this service takes none."""
    if services.videos is None:
        raise Problem(NOT_FOUND, "This service takes no videos.")
    return services.videos


async def answer_video(
    services: Services, owner: str, file: UploadFile, sampling: Sampling
) -> tuple[Detection, list[str | None]]:
    """Answer for a video and remember the answer.

    Returns:
        The answer, and a small picture of each of its moments, which are not remembered.

    Raises:
        Problem: It is too large or cannot be read, or there is no room for it now.
    """
    started = time.perf_counter()
    videos, settings = require_videos(services), services.settings
    if (file.size or 0) > settings.max_video_bytes:
        raise Problem(TOO_LARGE, f"A video may have at most {settings.max_video_mb:g} MiB.")
    card, scale = services.card, services.detector.scale
    store = services.store.with_key(video_key(card, services.detector.settings, sampling))
    sha256 = await asyncio.to_thread(_put_on_disk, file)
    known = await asyncio.to_thread(store.video, sha256)
    pictures: list[str | None] = []
    if known:
        found = VideoFinding.model_validate(known.finding)
    else:
        try:
            with videos.place():
                found = await videos.judge(file.file.fileno(), sampling)
        except PictureError as error:
            raise Problem(NOT_A_PICTURE, str(error)) from None
        except QueueFullError:
            raise Problem(BUSY, _FULL, {"Retry-After": "15"}) from None
        pictures = [moment.picture for moment in found.moments]
        for moment in found.moments:
            moment.picture = None
    fields = found.model_dump(mode="json")
    result: dict[str, Any] = {
        **fields,
        "category": VIDEO,
        "sha256": sha256,
        "sampling": sampling,
        **scale_result(scale),
        "threshold": round(scale.shown_threshold, DECIMALS),
        "model": {"name": card.name, "sha256": card.sha256},
        "from_store": known is not None,
        "total_ms": round(1000 * (time.perf_counter() - started), 2),
    }
    new = NewDetection(shown_name(file), sha256, StoredVideo(fields), result)
    (detection,) = await asyncio.to_thread(store.add, owner, [new])
    VIDEOS.labels(found.verdict, "store" if known else "model").inc()
    return detection, pictures


def timeline_of(result: dict[str, Any]) -> VideoVerdict:
    """Return a stored result as far as the writers of timelines need it."""
    return VideoVerdict(
        path="",
        duration=result["duration"],
        frames=tuple(
            FrameVerdict(
                one["time"],
                one["frame"],
                one["p_fake"],
                0.0,
                tuple(
                    FaceVerdict((0, 0, 0, 0), 1.0, one["face_p_fake"] if place == 0 else None)
                    for place in range(one["faces"])
                ),
            )
            for one in result["timeline"]
        ),
        segments=tuple(Segment(**one) for one in result["segments"]),
    )


def _put_on_disk(file: UploadFile) -> str:
    """Put an upload on disk, where it has no name, and return the hash of its bytes."""
    spooled = cast("SpooledTemporaryFile[bytes]", file.file)
    spooled.rollover()
    digest = hashlib.sha256()
    spooled.seek(0)
    while block := spooled.read(2**20):
        digest.update(block)
    spooled.flush()
    spooled.seek(0)
    return digest.hexdigest()
