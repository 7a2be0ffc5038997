"""The detector: pictures in, verdicts out."""

from __future__ import annotations

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

from unmask.detector.faces import CutFaces, find_and_cut, judge_cut
from unmask.evidence.finding import Finding
from unmask.evidence.inspect import inspect_bytes
from unmask.faces.finder import FaceFinder
from unmask.model.base import Device, ViewModel
from unmask.model.calibration import CalibrationName, Logits, Probabilities, softmax
from unmask.model.ensemble import load_model
from unmask.model.runtime import cores
from unmask.picture.decode import (
    DEFAULT_LIMITS,
    Limits,
    Pixels,
    decode,
    from_array,
    from_image,
    read_bytes,
)
from unmask.picture.errors import PictureError
from unmask.picture.views import Views, make_views
from unmask.verdict.decide import Judgement, judge
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
    evidence: tuple[Finding, ...] = ()
    faces: CutFaces | None = None


class Detector:
    """Tells real pictures from made or altered ones.

    Safe to share between threads.

    Attributes:
        model: The loaded model, with its card.
        reads_provenance: Whether it heeds what files say of themselves.
        trust: Root certificates in PEM of the signers that may decide; None for any.
        limits: What one picture may cost.
        threshold: From this p(fake) on a call of fake is the likelier one.
        real_below: Under this p(fake) the call from pixels is real...
        fake_from: ...and from here on it is fake.
    """

    def __init__(
        self,
        model: str | Path | ViewModel | None = None,
        *,
        threshold: float | None = None,
        device: Device = "auto",
        limits: Limits = DEFAULT_LIMITS,
        calibration: CalibrationName | None = None,
        tta: bool = False,
        provenance: bool = True,
        trust: str | None = None,
        faces: bool = False,
    ) -> None:
        """Load a model.

        Args:
            model: An ONNX file with its card beside it; None for the one that ships with unmask.
            threshold: Call everything from this ``p_fake`` on fake and the rest real, and nothing
                ``unsure``; None for the card's band.
            device: ``auto``, ``cpu`` or ``cuda``.
            limits: What one picture may cost.
            calibration: What turns the logit into ``p_fake``; None for the card's own. The band
                stays where it is on the logit, so that verdicts do not change with it.
            tta: Look at more views of each picture (`ViewPlan.augmented`); slower.
            provenance: Whether to read what a file says of itself and to heed it in the verdict.
            trust: Root certificates in PEM of the signers whose Content Credentials may decide;
                None for every intact signature.
            faces: Whether to find faces and judge each by itself. They are reported beside the
                verdict, which is always that of the whole picture.

        Raises:
            ModelError: The model cannot be loaded, or its card has no such calibration.
            ValueError: The threshold is outside [0, 1].
        """
        if threshold is not None and not 0 <= threshold <= 1:
            raise ValueError(f"The threshold must lie between 0 and 1, not {threshold:g}.")
        if not isinstance(model, ViewModel):
            model = load_model(Path(model) if model else None, device)
        self.model = model
        self.limits = limits
        self.reads_provenance, self.trust = provenance, trust
        self._finder = FaceFinder() if faces else None
        self._forced = threshold is not None
        card = self.model.card
        self._calibration = card.calibration_by(calibration)
        self._views = card.views.augmented() if tta else card.views
        self._band_on = self._calibration if threshold is not None else card.calibration
        self.threshold = card.threshold if threshold is None else threshold
        self.real_below = card.real_below if threshold is None else threshold
        self.fake_from = card.fake_from if threshold is None else threshold

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

    def detect_batch(self, pictures: Iterable[Picture]) -> list[Verdict]:
        """Answer for a few pictures in this thread alone: decode each, then one call of the model.

        For processes of which there is one a core. A picture that cannot be read gets a verdict
        with ``error`` set.
        """
        return self._answer([self._prepare(picture) for picture in pictures])

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
        return self._stream(iter(pictures), batch_size, workers or cores())

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
        evidence: tuple[Finding, ...] = ()
        faces: CutFaces | None = None
        try:
            if isinstance(picture, str | Path):
                picture = read_bytes(picture, self.limits)
            pixels = self.pixels(picture)
            views = make_views(pixels, self._views)
            if self.reads_provenance and isinstance(picture, bytes):
                evidence = tuple(inspect_bytes(picture, trust=self.trust, limits=self.limits))
            if self._finder:
                faces = find_and_cut(pixels, self._finder, self.model.card.views)
        except PictureError as problem:
            error = str(problem)
            name = problem.name or name
        return _Prepared(name, views, error, time.perf_counter() - started, evidence, faces)

    def pixels(self, picture: Picture) -> Pixels:
        """Return the pixels that the detector sees, uint8 RGB, shape (height, width, 3).

        Raises:
            PictureError: The picture cannot be read.
        """
        return read_pixels(picture, self.limits)

    def _answer(self, batch: list[_Prepared]) -> list[Verdict]:
        started = time.perf_counter()
        readable = [prepared.views for prepared in batch if prepared.views is not None]
        if readable:
            fake_logits, category_logits = self.model.answer(readable)
            p_fakes, banded = self.probability(fake_logits), self.banded(fake_logits)
            categories = softmax(category_logits) if self.model.card.categories else None
        share = (time.perf_counter() - started) / max(1, len(readable))
        verdicts, place = [], 0
        for prepared in batch:
            milliseconds = 1000 * prepared.seconds
            if prepared.views is None:
                verdict = Verdict(prepared.name, error=prepared.error, milliseconds=milliseconds)
            else:
                p_fake = float(p_fakes[place])
                category, confidence = self._category(categories, place)
                call, decided_by = self.call(float(banded[place]), prepared.evidence)
                verdict = Verdict(
                    path=prepared.name,
                    verdict=call,
                    p_fake=p_fake,
                    category=category,
                    category_confidence=confidence,
                    milliseconds=milliseconds + 1000 * share,
                    decided_by=decided_by,
                    evidence=prepared.evidence,
                    faces=judge_cut(prepared.faces, self.model) if prepared.faces else None,
                )
                place += 1
            verdicts.append(verdict)
        return verdicts

    def probability(self, logits: Logits) -> Probabilities:
        """Return the p(fake) that go out, for pooled logits of any shape."""
        return self._calibration(logits)

    def banded(self, logits: Logits) -> Probabilities:
        """Return the p(fake) by which verdicts are called, whatever calibration goes out."""
        return self._band_on(logits)

    def call(self, banded: float, evidence: Iterable[Finding] = ()) -> Judgement:
        """Turn what the pixels say, and what the file says of itself, into a verdict."""
        return judge(self._call(banded), evidence, forced=self._forced)

    def _call(self, banded: float) -> Call:
        if banded >= self.fake_from:
            return "fake"
        return "real" if banded < self.real_below else "unsure"

    def _category(self, categories: Probabilities | None, place: int) -> tuple[str, float]:
        """Return a picture's category and how sure it is; a model without any says ``other``."""
        if categories is None:
            return CATEGORY_OTHER, 0.0
        card, confidence = self.model.card, float(categories[place].max())
        if confidence < card.category_cut:
            return CATEGORY_OTHER, confidence
        return card.categories[int(categories[place].argmax())], confidence


def read_pixels(picture: Picture, limits: Limits = DEFAULT_LIMITS) -> Pixels:
    """Return the pixels of a picture, uint8 RGB, shape (height, width, 3).

    Raises:
        PictureError: The picture cannot be read.
    """
    if isinstance(picture, PictureError):
        raise picture
    if isinstance(picture, str | Path):
        return decode(read_bytes(picture, limits), limits)
    if isinstance(picture, bytes):
        return decode(picture, limits)
    if isinstance(picture, Image.Image):
        return from_image(picture, limits)
    return from_array(np.asarray(picture), limits)
