"""One model in memory, fed by decoding processes through a bounded queue."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from unmask.detector.detector import Detector
from unmask.model.model import ModelOutput
from unmask.picture.views import PictureViews, cut_views
from unmask.service.engine.batcher import Batcher
from unmask.service.engine.decoders import Decoders
from unmask.service.metrics import BATCH_SIZE, DECODER_DEATHS, PENDING
from unmask.service.settings import Settings
from unmask.service.store.outputs import StoredFace, StoredOutput


class QueueFullError(Exception):
    """More pictures are being worked on than may wait."""


@dataclass(frozen=True, slots=True)
class EngineTimings:
    """Where an answer's time went, in milliseconds.

    Attributes:
        decode_ms: Waiting for a decoding process, and decoding.
        wait_ms: Waiting for the model.
        model_ms: The inference of the batch that the picture was in.
    """

    decode_ms: float
    wait_ms: float
    model_ms: float


@dataclass(frozen=True, slots=True)
class AnsweredPicture:
    """What the model said of a picture, how long it took, and a preview where one was asked for."""

    stored: StoredOutput
    timings: EngineTimings
    preview: bytes


class PictureEngine:
    """Answers for encoded pictures."""

    def __init__(self, detector: Detector, settings: Settings) -> None:
        self._detector, self._model, self._plans = detector, detector.model, detector.plans
        # Maps lie over the picture where `list_views` says, which knows no augmented views.
        self._maps = self._model.has_maps and not detector.settings.tta
        self._most = settings.queue
        self._pending = 0
        self._decoders = Decoders(
            self._model.card,
            self._plans,
            detector.settings,
            count=settings.decoders,
            seconds=settings.decode_seconds,
            memory_mb=settings.decode_memory_mb,
            finds_faces=detector.finder is not None,
        )
        self._batcher = Batcher(
            self._run, most=settings.batch_size, wait=settings.batch_wait_ms / 1000
        )
        self.ready = False

    async def start(self) -> None:
        """Start everything and answer for a grey picture, so that the first real one is quick."""
        await self._decoders.start()
        self._batcher.start()
        grey = np.full((512, 512, 3), 128, np.uint8)
        await self._batcher.submit(cut_views(grey, self._plans))
        self.ready = True

    async def close(self) -> None:
        """End what was started; the server has finished accepted requests by then."""
        self.ready = False
        await self._batcher.close()
        await self._decoders.close()

    @contextmanager
    def places(self, count: int) -> Iterator[None]:
        """Hold places in the queue, all or none.

        Raises:
            QueueFullError: There are not as many.
        """
        # A request of more pictures than the queue is long may have an empty queue to itself.
        if self._pending and self._pending + count > self._most:
            raise QueueFullError
        self._pending += count
        PENDING.inc(count)
        try:
            yield
        finally:
            self._pending -= count
            PENDING.dec(count)

    async def answer(self, data: bytes, *, preview: bool = False) -> AnsweredPicture:
        """Answer for one picture.

        Raises:
            PictureError: The picture cannot be read within the limits.
        """
        started = time.perf_counter()
        deaths = self._decoders.deaths
        try:
            decoded = await self._decoders.decode(data, preview=preview)
        finally:
            DECODER_DEATHS.inc(self._decoders.deaths - deaths)
        decode_ms = 1000 * (time.perf_counter() - started)
        batched = await self._batcher.submit(decoded.views)
        BATCH_SIZE.observe(batched.size)
        # Where they have a say, whatever the picture's own logit: what is stored is read by the
        # prior and the promise of each request, and some of them may call it real.
        cut, views = decoded.faces, decoded.faces.views
        of_faces = await asyncio.gather(*(self._batcher.submit(one) for one in views.values()))
        logits = {place: one.answer.logit for place, one in zip(views, of_faces, strict=True)}
        return AnsweredPicture(
            StoredOutput(
                decoded.width,
                decoded.height,
                batched.answer,
                decoded.plain,
                decoded.evidence,
                tuple(
                    StoredFace(face.box, face.score, logits.get(place))
                    for place, face in enumerate(cut.faces)
                ),
                decoded.notes,
            ),
            EngineTimings(decode_ms, 1000 * batched.waited, 1000 * batched.ran),
            decoded.preview,
        )

    async def preview(self, data: bytes) -> bytes:
        """Return a small WebP of a picture, without its metadata.

        Raises:
            PictureError: The picture cannot be read within the limits.
        """
        return (await self._decoders.decode(data, preview=True)).preview

    def _run(self, batch: list[PictureViews]) -> list[ModelOutput]:
        return self._model.answer(batch, maps=self._maps)
