"""What request handlers work with: the parts of one running service."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from fastapi import Request

from unmask.detector.detector import Detector
from unmask.model.card import ModelCard
from unmask.service.engine.picture_engine import PictureEngine
from unmask.service.engine.video_engine import VideoEngine
from unmask.service.http.rates import Rates
from unmask.service.settings import Settings
from unmask.service.store.keys import Keys
from unmask.service.store.pictures import PictureFolder
from unmask.service.store.store import Store


@dataclass(frozen=True)
class Services:
    """The parts of one running service.

    Attributes:
        settings: How the service runs.
        detector: The model, and how its output is read where a request does not say.
        engine: What answers for pictures.
        videos: What judges videos; None where the service takes none.
        store: What was asked and answered.
        keys: The API keys.
        pictures: Pictures that are kept.
        rates: How often each client may ask.
    """

    settings: Settings
    detector: Detector
    engine: PictureEngine
    videos: VideoEngine | None
    store: Store
    keys: Keys
    pictures: PictureFolder
    rates: Rates

    @property
    def card(self) -> ModelCard:
        """The model's card."""
        return self.detector.model.card


def services_of(request: Request) -> Services:
    """Return the parts of the service that a request came to."""
    return cast(Services, request.app.state.services)
