"""The detector: pictures in, verdicts out."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

from unmask.detector.examined import IN_MEMORY as IN_MEMORY
from unmask.detector.examined import ExaminedPicture, Picture
from unmask.detector.settings import DetectorSettings
from unmask.faces.finder import FaceFinder
from unmask.model.model import Model
from unmask.model.open import open_model
from unmask.model.runtime import cores
from unmask.picture.errors import PictureError
from unmask.picture.views import ViewPlan
from unmask.verdict.decide import Scale
from unmask.verdict.verdict import Verdict

_Prepared = tuple[ExaminedPicture, PictureError | None]


class Detector:
    """Tells real pictures from made or altered ones.

    Safe to share between threads.

    Example::

        from unmask import Detector

        verdict = Detector().detect("photo.jpg")
        print(verdict.verdict, verdict.p_fake, verdict.category)

    Attributes:
        model: The opened model, with its card.
        settings: How pictures are read and judged.
        scale: The scale of p(fake) that the card and the settings give.
        plans: Which views are cut for each input of the model.
    """

    def __init__(
        self,
        model: str | Path | Model | None = None,
        settings: DetectorSettings | None = None,
        **changes: Any,
    ) -> None:
        """Open a model.

        Args:
            model: Whatever `open_model` takes; None for the model that ships with unmask.
            settings: How pictures are read and judged; None for the defaults.
            changes: Single settings, by the names of `DetectorSettings`.

        Raises:
            ModelError: The model cannot be opened, or its card has no such calibration.
            ValueError: There is no such setting, or it cannot have such a value.
        """
        self.settings = DetectorSettings.of(settings, changes)
        self.model = open_model(model, device=self.settings.device)
        card = self.model.card
        self.scale = Scale.of(card, self.settings)
        self.plans: dict[str, ViewPlan] = {
            name: plan.augmented() if self.settings.tta else plan
            for name, plan in card.inputs.items()
        }

    @cached_property
    def finder(self) -> FaceFinder | None:
        """What finds faces; None where nobody asked for them and they have no say."""
        wanted = self.settings.faces or self.model.card.face_cut is not None
        return FaceFinder() if wanted else None

    def examine(self, picture: Picture, *, deep: bool = False) -> ExaminedPicture:
        """Return a picture of which everything can be asked, and is worked out once.

        Args:
            picture: Whatever `detect` takes.
            deep: Whether its evidence is to hold the checks that need its pixels too.

        Raises:
            TypeError: It is nothing that could be a picture.
        """
        return ExaminedPicture(picture, self, deep=deep)

    def detect(self, picture: Picture) -> Verdict:
        """Answer for one picture.

        Args:
            picture: A path, encoded bytes, a binary file, a Pillow image, or a uint8 RGB array.

        Raises:
            PictureError: The picture cannot be read.
            TypeError: It is nothing that could be a picture.
        """
        examined = self.examine(picture)
        problem = examined.prepare()
        if problem is not None:
            raise problem
        return examined.verdict

    def detect_batch(self, pictures: Iterable[Picture]) -> list[Verdict]:
        """Answer for a few pictures in this thread alone: decode each, then one call of the model.

        For processes of which there is one a core. A picture that cannot be read gets a verdict
        with ``error`` set.
        """
        return self._answer([self._prepare(self.examine(picture)) for picture in pictures])

    def detect_many(
        self, pictures: Iterable[Picture], *, batch_size: int = 8, workers: int | None = None
    ) -> Iterator[Verdict]:
        """Answer for many pictures, in their order, one verdict each.

        Pictures are read and decoded in threads while the model runs; only a few batches are held
        at a time, however many there are. A picture that cannot be read gets a verdict with
        ``error`` set.

        Args:
            pictures: Any iterable of what `detect` takes, read lazily.
            batch_size: Pictures a call of the model.
            workers: Decoding threads; None for one a core.

        Raises:
            TypeError: One picture was given, and not an iterable of them.
            ValueError: The batch size or the number of workers is below 1.
        """
        if isinstance(pictures, str | bytes | bytearray | memoryview | Path) or not isinstance(
            pictures, Iterable
        ):
            raise TypeError("detect_many takes a list of pictures; detect takes one.")
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
                    waiting.append(pool.submit(self._prepare, self.examine(picture)))
                if not waiting:
                    return
                batch = [waiting.popleft() for _ in range(min(batch_size, len(waiting)))]
                yield from self._answer([future.result() for future in batch])
        finally:
            pool.shutdown(cancel_futures=True)

    @staticmethod
    def _prepare(examined: ExaminedPicture) -> _Prepared:
        return examined, examined.prepare()

    def _answer(self, batch: list[_Prepared]) -> list[Verdict]:
        started = time.perf_counter()
        readable = [examined for examined, problem in batch if problem is None]
        outputs = self.model.answer([examined.views for examined in readable]) if readable else []
        share = (time.perf_counter() - started) / max(1, len(readable))
        for examined, output in zip(readable, outputs, strict=True):
            examined.take(output, share)
        return [
            examined.verdict if problem is None else _failed(examined, problem)
            for examined, problem in batch
        ]


def _failed(examined: ExaminedPicture, problem: PictureError) -> Verdict:
    return Verdict(examined.name, error=str(problem), milliseconds=1000 * examined.seconds)
