"""One model in memory, fed by decoding processes through a bounded queue."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unmask.evidence.finding import Finding
from unmask.heatmap.methods import class_activation
from unmask.model.base import ViewModel
from unmask.picture.views import Views, normalise
from unmask.service.engine.batcher import Batcher
from unmask.service.engine.decoders import Decoders
from unmask.service.metrics import BATCH_SIZE, DECODER_DEATHS, PENDING
from unmask.service.settings import Settings


class QueueFullError(Exception):
    """More pictures are being worked on than may wait."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model says about one picture, before calibration.

    Attributes:
        width: Of the upright picture, in pixels.
        height: Of the upright picture, in pixels.
        fake_logits: One for each view, shape (views,); their mean is the picture's.
        category_logits: Shape (views, categories).
        maps: Evidence by head (fake, then the categories), view and place, shape
            (heads, views, rows, columns); None where the model cannot be explained.
        branch: What of ``fake_logits`` came from a branch that looks at whole pictures, shape
            (views,); None where that is not known.
        evidence: What the file says of itself, the strongest first.
    """

    width: int
    height: int
    fake_logits: NDArray[np.float32]
    category_logits: NDArray[np.float32]
    maps: NDArray[np.float16] | None
    branch: NDArray[np.float32] | None = None
    evidence: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Timings:
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
class Done:
    """An answer, how long it took, and a preview where one was asked for."""

    answer: Answer
    timings: Timings
    preview: bytes


_Logits = tuple[
    NDArray[np.float32],
    NDArray[np.float32],
    NDArray[np.float16] | None,
    NDArray[np.float32] | None,
]


class Engine:
    """Answers for encoded pictures.

    Attributes:
        model: The model.
    """

    def __init__(self, model: ViewModel, settings: Settings) -> None:
        self.model = model
        self._most = settings.queue
        self._pending = 0
        self._decoders = Decoders(
            model.card.views,
            settings.limits,
            count=settings.decoders,
            seconds=settings.decode_seconds,
            memory_mb=settings.decode_memory_mb,
            provenance=settings.provenance,
            trust=settings.trust,
        )
        self._batcher = Batcher(
            self._run, most=settings.batch_size, wait=settings.batch_wait_ms / 1000
        )
        self.ready = False

    async def start(self) -> None:
        """Start everything and answer for a grey picture, so that the first real one is quick."""
        await self._decoders.start()
        self._batcher.start()
        plan = self.model.card.views
        await self._batcher.submit(np.full((plan.count, plan.size, plan.size, 3), 128, np.uint8))
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

    async def answer(self, data: bytes, *, preview: bool = False) -> Done:
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
        fake, category, maps, branch = batched.answer
        return Done(
            Answer(decoded.width, decoded.height, fake, category, maps, branch, decoded.evidence),
            Timings(decode_ms, 1000 * batched.waited, 1000 * batched.ran),
            decoded.preview,
        )

    async def preview(self, data: bytes) -> bytes:
        """Return a small WebP of a picture, without its metadata.

        Raises:
            PictureError: The picture cannot be read within the limits.
        """
        return (await self._decoders.decode(data, preview=True)).preview

    def _run(self, batch: list[Views]) -> list[_Logits]:
        views, counts = np.concatenate(batch), [len(one) for one in batch]
        ends = np.cumsum(counts)[:-1]
        maps: NDArray[np.float16] | None = None
        branch: NDArray[np.float32] | None = None
        if self.model.explains:
            found = self.model.features(normalise(views, self.model.card.scale), counts)
            fake, category, branch = found.fake_logits, found.category_logits, found.branch
            maps = np.stack(
                [class_activation(found.maps, head, "cam") for head in found.heads]
            ).astype(np.float16)
        else:
            fake, category = self.model(views, counts)
        return list(
            zip(
                np.split(fake, ends),
                np.split(category, ends),
                [None] * len(batch) if maps is None else np.split(maps, ends, axis=1),
                [None] * len(batch) if branch is None else np.split(branch, ends),
                strict=True,
            )
        )
