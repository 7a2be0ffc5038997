"""From uploads to remembered detections: what the API, the page and the old endpoints share."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from unmask.model.calibration import CalibrationName
from unmask.model.card import ModelError
from unmask.picture.errors import PictureError, PictureTooLargeError
from unmask.picture.views import view_boxes
from unmask.service.api.callers import Caller
from unmask.service.api.problems import BAD_FIELD, NOT_A_PICTURE, TOO_LARGE, Problem
from unmask.service.api.uploads import Upload
from unmask.service.engine.engine import Answer, Done
from unmask.service.engine.reading import UNCALIBRATED, pool, read
from unmask.service.metrics import DETECTIONS
from unmask.service.services import Services
from unmask.service.store.store import Detection, New
from unmask.verdict.decide import judge
from unmask.video.read import video_kind


@dataclass(frozen=True, slots=True)
class Wish:
    """How answers are to be read.

    Attributes:
        calibration: Which calibration; None for the card's own.
        threshold: Call everything from this ``p_fake`` on fake; None for the card's band.
        preview: Whether a small picture is wanted with each answer.
    """

    calibration: CalibrationName | None = None
    threshold: float | None = None
    preview: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one upload: a detection, or a problem.

    Attributes:
        upload: The upload.
        detection: The answer, remembered.
        problem: Why there is none.
        preview: A small WebP, where one was asked for.
    """

    upload: Upload
    detection: Detection | None = None
    problem: Problem | None = None
    preview: bytes = b""


async def detect(
    services: Services, caller: Caller, uploads: Sequence[Upload], wish: Wish
) -> list[Outcome]:
    """Answer for uploads and remember the answers; one outcome each, in order.

    Raises:
        Problem: The model has no such calibration.
        QueueFullError: There is no room for them now.
    """
    check_calibration(services, wish.calibration)
    with services.engine.places(len(uploads)):
        return await _detect(services, caller, uploads, wish)


def check_calibration(services: Services, calibration: CalibrationName | None) -> None:
    """Check that the model has a calibration; raises Problem where it has not."""
    try:
        services.engine.model.card.calibration_by(calibration)
    except ModelError as error:
        raise Problem(BAD_FIELD, str(error)) from None


async def _detect(
    services: Services, caller: Caller, uploads: Sequence[Upload], wish: Wish
) -> list[Outcome]:
    started = time.perf_counter()
    hashes, known = await asyncio.to_thread(_look_up, services, uploads)
    # The same bytes sent twice in one request are decoded once.
    asked: dict[str, asyncio.Task[Done | Problem]] = {}
    for upload, sha256 in zip(uploads, hashes, strict=True):
        if sha256 not in asked and not upload.problem and (wish.preview or sha256 not in known):
            asked[sha256] = asyncio.create_task(_ask(services, upload.data, preview=wish.preview))
    if asked:
        await asyncio.gather(*asked.values())
    news, places, outcomes = [], [], []
    for upload, sha256 in zip(uploads, hashes, strict=True):
        done = asked[sha256].result() if sha256 in asked else None
        problem = upload.problem or (done if isinstance(done, Problem) else None)
        if problem:
            outcomes.append(Outcome(upload, problem=problem))
            continue
        fresh = done if isinstance(done, Done) else None
        answer = known.get(sha256) or (fresh.answer if fresh else None)
        if answer is None:
            raise LookupError(f"There is no answer for {sha256}.")
        result = result_of(services, answer, sha256, wish, None if sha256 in known else fresh)
        result["timings"]["total_ms"] = _ms(1000 * (time.perf_counter() - started))
        places.append(len(outcomes))
        news.append(New(upload.name, sha256, answer, result))
        outcomes.append(Outcome(upload, preview=fresh.preview if fresh else b""))
    remembered = await asyncio.to_thread(_remember, services, caller.owner, news, uploads, hashes)
    for place, detection in zip(places, remembered, strict=True):
        outcomes[place] = Outcome(
            outcomes[place].upload, detection=detection, preview=outcomes[place].preview
        )
        origin = "store" if detection.result["from_store"] else "model"
        DETECTIONS.labels(detection.result["verdict"], origin).inc()
    return outcomes


def _look_up(services: Services, uploads: Sequence[Upload]) -> tuple[list[str], dict[str, Answer]]:
    hashes = [hashlib.sha256(upload.data).hexdigest() for upload in uploads]
    return hashes, services.store.answers(hashes)


async def _ask(services: Services, data: bytes, *, preview: bool) -> Done | Problem:
    try:
        return await services.engine.answer(data, preview=preview)
    except PictureTooLargeError as error:
        return Problem(TOO_LARGE, str(error))
    except PictureError as error:
        if video_kind(data[:16]):
            return Problem(
                NOT_A_PICTURE,
                "This is a video: send it to /v1/videos, or use the page's field for videos.",
            )
        return Problem(NOT_A_PICTURE, str(error))


def _remember(
    services: Services,
    owner: str,
    news: Sequence[New],
    uploads: Sequence[Upload],
    hashes: Sequence[str],
) -> list[Detection]:
    if not news:
        return []
    if services.settings.keep_pictures:
        answered = {new.sha256 for new in news}
        for upload, sha256 in zip(uploads, hashes, strict=True):
            if sha256 in answered:
                services.pictures.keep(sha256, upload.data)
    return services.store.add(owner, news)


def result_of(
    services: Services, answer: Answer, sha256: str, wish: Wish, fresh: Done | None
) -> dict[str, Any]:
    """Read an answer into what goes out; ``fresh`` is None where the store had it."""
    model = services.engine.model
    card = model.card
    reading = read(
        card, answer.fake_logits, answer.category_logits, wish.calibration, wish.threshold
    )
    boxes = view_boxes(answer.height, answer.width, card.views)
    timings = fresh.timings if fresh else None
    call = judge(reading.verdict, answer.evidence, forced=wish.threshold is not None)
    branch = np.zeros_like(answer.fake_logits) if answer.branch is None else answer.branch
    return {
        "sha256": sha256,
        "width": answer.width,
        "height": answer.height,
        "verdict": call.call,
        "decided_by": call.decided_by,
        "p_fake": round(reading.p_fake, 4),
        "calibration": wish.calibration or card.calibration.kind,
        "calibrated": wish.calibration != UNCALIBRATED,
        "threshold": wish.threshold,
        "band": {
            "real_below": round(reading.real_below, 4),
            "fake_from": round(reading.fake_from, 4),
        },
        "category": reading.category,
        "category_confidence": round(reading.category_confidence, 4),
        "score": round(float(pool(answer.fake_logits)), 4),
        "whole_picture_logit": round(float(branch.mean()), 4) if branch.any() else None,
        "views": [
            {
                "kind": "whole" if card.views.whole and number == 0 else "crop",
                "logit": round(float(logit), 4),
                "box": {name: round(side, 1) for name, side in box._asdict().items()},
            }
            for number, (logit, box) in enumerate(
                zip(answer.fake_logits - branch, boxes, strict=True)
            )
        ],
        "evidence": [one.to_json() for one in answer.evidence],
        "model": {"name": card.name, "sha256": card.sha256},
        "from_store": fresh is None,
        "explained": answer.maps is not None,
        "timings": {
            "decode_ms": _ms(timings.decode_ms) if timings else 0.0,
            "wait_ms": _ms(timings.wait_ms) if timings else 0.0,
            "model_ms": _ms(timings.model_ms) if timings else 0.0,
        },
    }


def _ms(value: float) -> float:
    return round(value, 2)
