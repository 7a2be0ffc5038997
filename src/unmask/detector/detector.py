"""The detector: pictures in, verdicts out."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unmask.detector.calibration import softmax
from unmask.detector.model import Device, Model
from unmask.media.decode import (
    DEFAULT_LIMITS,
    Limits,
    Pixels,
    decode,
    from_array,
    from_image,
    read_bytes,
)
from unmask.media.errors import PictureError
from unmask.prepare.views import Views, make_views
from unmask.verdict.verdict import CATEGORY_OTHER, Call, Verdict

Picture = str | Path | bytes | Image.Image | NDArray[np.uint8] | PictureError
"""A path, encoded bytes, an opened image, or RGB pixels (height, width, 3).

A `PictureError` stands for a picture that its finder could not even name; it becomes an error row.
"""
IN_MEMORY = "-"


class _Prepared(NamedTuple):
    name: str
    views: Views | None
    error: str | None
    seconds: float


class Detector:
    """Tells real pictures from made or altered ones.

    Safe to share between threads.

    Attributes:
        model: The loaded model, with its card.
    """

    def __init__(
        self,
        model: str | Path | None = None,
        *,
        threshold: float | None = None,
        device: Device = "auto",
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        """Load a model.

        Args:
            model: An ONNX file with its card beside it; None for the one that ships with unmask.
            threshold: Call everything from this ``p_fake`` on fake and the rest real, and nothing
                ``unsure``; None for the card's band.
            device: ``auto``, ``cpu`` or ``cuda``.
            limits: What one picture may cost.

        Raises:
            ModelError: The model cannot be loaded.
            ValueError: The threshold is outside [0, 1].
        """
        if threshold is not None and not 0 <= threshold <= 1:
            raise ValueError(f"The threshold must lie between 0 and 1, not {threshold:g}.")
        self.model = Model(Path(model) if model else None, device=device)
        self._limits = limits
        card = self.model.card
        self._real_below = card.real_below if threshold is None else threshold
        self._fake_from = card.fake_from if threshold is None else threshold

    def detect(self, picture: Picture) -> Verdict:
        """Answer for one picture.

        Args:
            picture: A path, encoded bytes, a Pillow image, or a uint8 RGB array.

        Raises:
            PictureError: The picture cannot be read.
        """
        prepared = self._prepare(picture)
        if prepared.error is not None:
            raise PictureError(prepared.error)
        return self._answer([prepared])[0]

    def detect_many(
        self, pictures: Iterable[Picture], *, batch_size: int = 8, workers: int | None = None
    ) -> Iterator[Verdict]:
        """Answer for many pictures, in their order, one verdict each.

        Pictures are read and decoded in threads while the model runs; only a few batches are held
        at a time, however many there are. A picture that cannot be read gets a verdict with
        ``error`` set.

        Args:
            pictures: Any iterable, read lazily.
            batch_size: Pictures an inference.
            workers: Decoding threads; None for one a core.
        """
        if batch_size < 1 or (workers is not None and workers < 1):
            raise ValueError("The batch size and the number of workers must be at least 1.")
        return self._stream(iter(pictures), batch_size, workers or os.cpu_count() or 1)

    def _stream(
        self, pictures: Iterator[Picture], batch_size: int, workers: int
    ) -> Iterator[Verdict]:
        pool = ThreadPoolExecutor(workers, thread_name_prefix="decode")
        waiting: deque[Future[_Prepared]] = deque()
        ahead = 2 * batch_size + workers
        try:
            while True:
                for picture in islice(pictures, ahead - len(waiting)):
                    waiting.append(pool.submit(self._prepare, picture))
                if not waiting:
                    return
                batch = [waiting.popleft() for _ in range(min(batch_size, len(waiting)))]
                yield from self._answer([future.result() for future in batch])
        finally:
            pool.shutdown(cancel_futures=True)

    def _prepare(self, picture: Picture) -> _Prepared:
        started = time.perf_counter()
        name = str(picture) if isinstance(picture, str | Path) else IN_MEMORY
        views, error = None, None
        try:
            views = make_views(self.pixels(picture), self.model.card.views)
        except PictureError as problem:
            error = str(problem)
            name = problem.name or name
        return _Prepared(name, views, error, time.perf_counter() - started)

    def pixels(self, picture: Picture) -> Pixels:
        """Return the pixels that the detector sees, uint8 RGB, shape (height, width, 3).

        Raises:
            PictureError: The picture cannot be read.
        """
        if isinstance(picture, PictureError):
            raise picture
        if isinstance(picture, str | Path):
            return decode(read_bytes(picture, self._limits), self._limits)
        if isinstance(picture, bytes):
            return decode(picture, self._limits)
        if isinstance(picture, Image.Image):
            return from_image(picture, self._limits)
        return from_array(np.asarray(picture), self._limits)

    def _answer(self, batch: list[_Prepared]) -> list[Verdict]:
        started = time.perf_counter()
        readable = [prepared.views for prepared in batch if prepared.views is not None]
        if readable:
            fake_logits, category_logits = self.model.answer(readable)
            p_fakes = self.model.card.calibration(fake_logits)
            categories = softmax(category_logits)
        share = (time.perf_counter() - started) / max(1, len(readable))
        verdicts, place = [], 0
        for prepared in batch:
            milliseconds = 1000 * prepared.seconds
            if prepared.views is None:
                verdict = Verdict(prepared.name, error=prepared.error, milliseconds=milliseconds)
            else:
                p_fake, confidence = float(p_fakes[place]), float(categories[place].max())
                verdict = Verdict(
                    path=prepared.name,
                    verdict=self._call(p_fake),
                    p_fake=p_fake,
                    category=self._category(int(categories[place].argmax()), confidence),
                    category_confidence=confidence,
                    milliseconds=milliseconds + 1000 * share,
                )
                place += 1
            verdicts.append(verdict)
        return verdicts

    def _call(self, p_fake: float) -> Call:
        if p_fake >= self._fake_from:
            return "fake"
        return "real" if p_fake < self._real_below else "unsure"

    def _category(self, likeliest: int, confidence: float) -> str:
        card = self.model.card
        return card.categories[likeliest] if confidence >= card.category_cut else CATEGORY_OTHER
