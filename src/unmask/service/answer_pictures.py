"""From uploads to remembered detections: what the API, the page and the old endpoints share."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from unmask.detector.detector import Detector
from unmask.model.card import ModelError
from unmask.picture.errors import PictureError, PictureTooLargeError
from unmask.picture.kind import kind_of
from unmask.picture.views import list_views
from unmask.service.engine.picture_engine import AnsweredPicture
from unmask.service.http.problems import BAD_FIELD, NOT_A_PICTURE, TOO_LARGE, Problem
from unmask.service.http.uploads import Upload
from unmask.service.metrics import DETECTIONS
from unmask.service.services import Services
from unmask.service.store.outputs import StoredOutput
from unmask.service.store.store import Detection, NewDetection
from unmask.verdict.decide import DECIMALS, PictureFacts, ReadingSettings, Scale, decide
from unmask.verdict.verdict import FaceVerdict, Verdict

UNCALIBRATED = "none"
NOT_IN_RESULTS = ("path", "error")
"""Fields of a verdict for which an upload's name and a problem document stand."""


@dataclass(frozen=True, slots=True)
class UploadResult:
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


async def answer_pictures(
    services: Services,
    owner: str,
    uploads: Sequence[Upload],
    reading: ReadingSettings,
    *,
    preview: bool = False,
) -> list[UploadResult]:
    """Answer for uploads and remember the answers; one result each, in order.

    Args:
        services: The parts of the service.
        owner: Whose history the answers go to.
        uploads: The pictures.
        reading: How the model's output is read.
        preview: Whether a small picture is wanted with each answer.

    Raises:
        Problem: The model has no such calibration, or keeps no such promise.
        QueueFullError: There is no room for them now.
    """
    try:
        Scale.of(services.card, reading)
    except ModelError as error:
        raise Problem(BAD_FIELD, str(error)) from None
    with services.engine.places(len(uploads)):
        return await _answer(services, owner, uploads, reading, preview=preview)


async def _answer(
    services: Services,
    owner: str,
    uploads: Sequence[Upload],
    reading: ReadingSettings,
    *,
    preview: bool,
) -> list[UploadResult]:
    started = time.perf_counter()
    hashes, known = await asyncio.to_thread(_look_up, services, uploads)
    # The same bytes sent twice in one request are decoded once.
    asked: dict[str, asyncio.Task[AnsweredPicture | Problem]] = {}
    for upload, sha256 in zip(uploads, hashes, strict=True):
        if sha256 not in asked and not upload.problem and (preview or sha256 not in known):
            asked[sha256] = asyncio.create_task(_ask(services, upload.data, preview=preview))
    if asked:
        await asyncio.gather(*asked.values())
    news, places, results = [], [], []
    for upload, sha256 in zip(uploads, hashes, strict=True):
        done = asked[sha256].result() if sha256 in asked else None
        problem = upload.problem or (done if isinstance(done, Problem) else None)
        if problem:
            results.append(UploadResult(upload, problem=problem))
            continue
        fresh = done if isinstance(done, AnsweredPicture) else None
        stored = known.get(sha256) or (fresh.stored if fresh else None)
        if stored is None:
            raise LookupError(f"There is no answer for {sha256}.")
        result = picture_result(
            services.detector, stored, sha256, reading, None if sha256 in known else fresh
        )
        result["timings"]["total_ms"] = _ms(1000 * (time.perf_counter() - started))
        places.append(len(results))
        news.append(NewDetection(upload.name, sha256, stored, result))
        results.append(UploadResult(upload, preview=fresh.preview if fresh else b""))
    remembered = await asyncio.to_thread(_remember, services, owner, news, uploads, hashes)
    for place, detection in zip(places, remembered, strict=True):
        results[place] = replace(results[place], detection=detection)
        origin = "store" if detection.result["from_store"] else "model"
        DETECTIONS.labels(detection.result["verdict"], origin).inc()
    return results


def _look_up(
    services: Services, uploads: Sequence[Upload]
) -> tuple[list[str], dict[str, StoredOutput]]:
    hashes = [hashlib.sha256(upload.data).hexdigest() for upload in uploads]
    return hashes, services.store.outputs(hashes)


async def _ask(services: Services, data: bytes, *, preview: bool) -> AnsweredPicture | Problem:
    try:
        return await services.engine.answer(data, preview=preview)
    except PictureTooLargeError as error:
        return Problem(TOO_LARGE, str(error))
    except PictureError as error:
        if kind_of(data[:16]).is_video:
            return Problem(
                NOT_A_PICTURE,
                "This is a video: send it to /v1/videos, or use the page's field for videos.",
            )
        return Problem(NOT_A_PICTURE, str(error))


def _remember(
    services: Services,
    owner: str,
    news: Sequence[NewDetection],
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


def picture_result(
    detector: Detector,
    stored: StoredOutput,
    sha256: str,
    reading: ReadingSettings,
    fresh: AnsweredPicture | None,
) -> dict[str, Any]:
    """Read a stored output into what goes out.

    Args:
        detector: What answered.
        stored: What it said.
        sha256: Of the picture's bytes.
        reading: How it is read.
        fresh: The engine's answer; None where the store had it.
    """
    card, output = detector.model.card, stored.output
    scale = Scale.of(card, reading)
    fields = _verdict(scale, stored, with_faces=detector.settings.faces).to_json()
    timings = fresh.timings if fresh else None
    return {
        "sha256": sha256,
        "width": stored.width,
        "height": stored.height,
        **{name: value for name, value in fields.items() if name not in NOT_IN_RESULTS},
        **scale_result(scale),
        "threshold": reading.threshold,
        "score": round(output.logit, DECIMALS),
        "views": _views(detector, stored),
        "model": {"name": card.name, "sha256": card.sha256},
        "from_store": fresh is None,
        "explained": output.maps is not None,
        "timings": {
            "decode_ms": _ms(timings.decode_ms) if timings else 0.0,
            "wait_ms": _ms(timings.wait_ms) if timings else 0.0,
            "model_ms": _ms(timings.model_ms) if timings else 0.0,
        },
    }


def scale_result(scale: Scale) -> dict[str, Any]:
    """Return what goes out of the scale on which pictures and videos are read."""
    name = scale.settings.calibration or scale.card.calibration.kind
    return {
        "calibration": name,
        "calibrated": name != UNCALIBRATED,
        "band": {
            "real_below": round(scale.band.real_below, DECIMALS),
            "fake_from": round(scale.band.fake_from, DECIMALS),
        },
        "forced": scale.forced,
        "promise": scale.settings.promise,
        "prior": scale.settings.prior,
    }


def _verdict(scale: Scale, stored: StoredOutput, *, with_faces: bool) -> Verdict:
    """Read a stored output."""
    faces = tuple(
        FaceVerdict(
            face.box,
            face.score,
            None if face.logit is None else float(scale.p_fake(face.logit)),
        )
        for face in stored.faces
    )
    judged = [face.p_fake for face in faces if face.p_fake is not None]
    facts = PictureFacts(stored.width, stored.height, stored.plain, judged)
    decision = decide(scale.card, stored.output, facts, stored.evidence, scale.settings)
    shown = faces if with_faces else None
    return Verdict.of("", decision, stored.evidence, shown, notes=stored.notes)


def _views(detector: Detector, stored: StoredOutput) -> list[dict[str, Any]]:
    if detector.settings.tta:
        return []  # Nothing lists the views of test-time augmentation.
    shown = list_views(stored.height, stored.width, detector.plans)
    return [
        {
            "kind": view.kind,
            "logit": round(float(logit), DECIMALS),
            "box": {name: round(side, 1) for name, side in view.box._asdict().items()},
        }
        for logit, view in zip(stored.output.view_logits, shown, strict=True)
    ]


def _ms(value: float) -> float:
    return round(value, 2)
