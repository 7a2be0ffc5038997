"""What request handlers work with: the parts of one running service."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from fastapi import Request

from unmask.service.engine.engine import Engine
from unmask.service.engine.videos import Videos
from unmask.service.safety.rates import Rates
from unmask.service.settings import Settings
from unmask.service.store.keys import Keys
from unmask.service.store.pictures import Pictures
from unmask.service.store.store import Store


@dataclass(frozen=True)
class Services:
    """The parts of one running service.

    Attributes:
        videos: What judges videos; None where the service takes none.
        evidence: What the evidence in answers depends on: whether it is read, and who may decide.
    """

    settings: Settings
    engine: Engine
    store: Store
    keys: Keys
    pictures: Pictures
    rates: Rates
    videos: Videos | None
    evidence: tuple[str, ...]


def services_of(request: Request) -> Services:
    """Return the parts of the service that a request came to."""
    return cast(Services, request.app.state.services)
