"""``/v1/model``, and what watches over the service: ``/healthz``, ``/readyz``, ``/metrics``."""

from __future__ import annotations

import asyncio
import os
import platform
from typing import Any

import onnxruntime
from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, Field
from sqlalchemy.exc import SQLAlchemyError

import unmask
from unmask.model.card import Unseen
from unmask.service.api.schemas import BandOut
from unmask.service.http.problems import BUSY, Problem
from unmask.service.metrics import exposition
from unmask.service.services import Services, services_of
from unmask.verdict.decide import DECIMALS

router = APIRouter()


class ServiceLimits(BaseModel):
    """What one request may hold."""

    max_file_mb: float
    max_files: int
    max_megapixels: float


class ModelOut(BaseModel):
    """The model, its machine and the service's limits."""

    name: str
    created: str
    sha256: str
    categories: list[str]
    calibrations: list[str]
    default_calibration: str
    threshold: float = Field(description="from this p_fake on a call of fake is the likelier one")
    band: BandOut
    most_wrong: float | None = Field(description="share of wrong answers the band keeps to")
    promises: list[float] = Field(description="shares for which the model has a band")
    prior: float = Field(description="how common fakes were where it was calibrated")
    licence: str
    intended_use: str
    test: list[dict[str, Any]] = Field(description="figures on the test split, overall first")
    unseen: Unseen | None = Field(description="figures on generators never trained on")
    device: str
    machine: str
    runtime: str
    unmask: str
    limits: ServiceLimits
    history: str
    needs_key: bool
    keeps_pictures: bool


@router.get("/v1/model", response_model=ModelOut, tags=["model"], summary="See what answers")
async def model(request: Request) -> ModelOut:
    """The model's card in short, with the device it runs on."""
    return model_out(services_of(request))


def model_out(services: Services) -> ModelOut:
    """Return what `/v1/model` says."""
    card, settings = services.card, services.settings
    band = services.detector.scale.band
    return ModelOut(
        name=card.name,
        created=card.created,
        sha256=card.sha256,
        categories=list(card.categories),
        calibrations=sorted({card.calibration.kind, *card.alternatives, "none"}),
        default_calibration=settings.calibration or card.calibration.kind,
        threshold=services.detector.scale.threshold,
        band=BandOut(
            real_below=round(band.real_below, DECIMALS), fake_from=round(band.fake_from, DECIMALS)
        ),
        most_wrong=band.most_wrong,
        promises=[one.most_wrong for one in card.bands if one.most_wrong is not None],
        prior=card.prior,
        licence=card.licence,
        intended_use=card.intended_use,
        test=[figure.model_dump() for figure in card.test[:1]],
        unseen=card.unseen,
        device=services.detector.model.device,
        machine=f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        runtime=f"ONNX Runtime {onnxruntime.__version__}",
        unmask=unmask.__version__,
        limits=ServiceLimits(
            max_file_mb=settings.max_file_mb,
            max_files=settings.max_files,
            max_megapixels=settings.max_megapixels,
        ),
        history=settings.history,
        needs_key=settings.require_key,
        keeps_pictures=settings.keep_pictures,
    )


@router.get("/healthz", tags=["operation"], summary="Say whether the process lives")
async def health() -> dict[str, str]:
    """Always ok while the event loop turns."""
    return {"status": "ok"}


@router.get("/readyz", tags=["operation"], summary="Say whether requests can be answered")
async def ready(request: Request) -> dict[str, str]:
    """Ok when the model is loaded and the database answers."""
    services = services_of(request)
    try:
        await asyncio.to_thread(services.store.ping)
    except SQLAlchemyError:
        raise Problem(BUSY, "The database does not answer.", {"Retry-After": "5"}) from None
    if not services.engine.ready:
        raise Problem(BUSY, "The service is starting or stopping.", {"Retry-After": "5"})
    return {"status": "ready"}


@router.get(
    "/metrics", tags=["operation"], response_class=Response, summary="Figures for Prometheus"
)
async def metrics() -> Response:
    """Counts of requests, verdicts, refusals and batches, in Prometheus's text format."""
    return Response(exposition(), media_type=CONTENT_TYPE_LATEST)
