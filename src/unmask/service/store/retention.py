"""A background job that forgets what is older than the operator wants it kept."""

from __future__ import annotations

import asyncio
import logging
import time

from unmask.service.settings import Settings
from unmask.service.store.pictures import PictureFolder
from unmask.service.store.store import Store

_EVERY_SECONDS = 600.0
_DAY_MS = 86_400_000
_log = logging.getLogger(__name__)


def forget(settings: Settings, store: Store, pictures: PictureFolder) -> None:
    """Delete results and pictures past their time, once."""
    if settings.keep_results_days:
        oldest = int(time.time() * 1000 - settings.keep_results_days * _DAY_MS)
        pictures.drop(store.forget_before(oldest))
    # Also where pictures are no longer kept: those from before are not to stay for ever.
    pictures.drop_older_than(settings.keep_pictures_days)


async def keep_forgetting(
    settings: Settings, store: Store, pictures: PictureFolder, every: float = _EVERY_SECONDS
) -> None:
    """Do it now and every ``every`` seconds, until cancelled."""
    while True:
        try:
            await asyncio.to_thread(forget, settings, store, pictures)
        except Exception:
            # A database that is away for a while must not end the job for good.
            _log.exception("could not forget what is past its time")
        await asyncio.sleep(every)
