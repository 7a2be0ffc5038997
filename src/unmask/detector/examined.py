"""One picture on its way: bytes, pixels, views, the model's output, evidence, faces, verdict.

Each part is worked out when it is first asked for, and once. Verdict, heatmap, report and faces of
a picture are all read from one such object, so that they cannot disagree.
"""

from __future__ import annotations

import time
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unmask.detector.face_views import CutFaces, find_and_cut, judge_faces
from unmask.evidence.finding import Finding
from unmask.evidence.inspect import inspect_bytes
from unmask.model.model import ModelOutput
from unmask.picture.decode import (
    Pixels,
    decode,
    from_array,
    from_image,
    read_bytes,
)
from unmask.picture.errors import PictureError
from unmask.picture.views import PictureViews, View, cut_views, list_views
from unmask.verdict.decide import Decision, decide
from unmask.verdict.verdict import FaceVerdict, Verdict

if TYPE_CHECKING:
    from unmask.detector.detector import Detector

Picture = (
    str | Path | bytes | bytearray | memoryview | BinaryIO | Image.Image | NDArray[np.uint8]
    | PictureError
)  # fmt: skip
"""A path, encoded bytes, a binary file, an opened image, or RGB pixels (height, width, 3).

A `PictureError` stands for a picture that its finder could not even name; it becomes an error row.
"""
IN_MEMORY = "-"


class ExaminedPicture:
    """A picture, and all that a detector knows of it.

    Attributes:
        name: As it was given; ``-`` for what has none.
        seconds: Spent on it so far, the model's share included.
    """

    def __init__(self, picture: Picture, detector: Detector, *, deep: bool = False) -> None:
        """Take a picture; nothing is read yet.

        Args:
            picture: The picture.
            detector: What judges it.
            deep: Whether its evidence is to hold the checks that need its pixels too.

        Raises:
            TypeError: It is nothing that could be a picture.
        """
        self.name = str(picture) if isinstance(picture, str | Path) else IN_MEMORY
        self.seconds = 0.0
        self._given, self._detector, self._deep = _accepted(picture), detector, deep

    @cached_property
    def data(self) -> bytes | None:
        """The encoded bytes; None for a picture that never had any.

        Raises:
            PictureError: They cannot be read.
        """
        given, limits = self._given, self._detector.settings.limits
        if isinstance(given, PictureError):
            self.name = given.name or self.name
            raise given
        if isinstance(given, str | Path):
            return read_bytes(given, limits)
        return given if isinstance(given, bytes) else None

    @cached_property
    def pixels(self) -> Pixels:
        """What is judged: uint8 RGB, shape (height, width, 3).

        Raises:
            PictureError: The picture cannot be read.
        """
        limits = self._detector.settings.limits
        if self.data is not None:
            return decode(self.data, limits)
        if isinstance(self._given, Image.Image):
            return from_image(self._given, limits)
        return from_array(np.asarray(self._given), limits)

    @cached_property
    def views(self) -> PictureViews:
        """What the model is shown."""
        return cut_views(self.pixels, self._detector.plans)

    @cached_property
    def shown(self) -> list[View]:
        """What each view of `views` shows; test-time augmentation has no such list."""
        height, width = self.pixels.shape[:2]
        return list_views(height, width, self._detector.model.card.inputs)

    @cached_property
    def evidence(self) -> tuple[Finding, ...]:
        """What the file says of itself, the strongest first."""
        settings = self._detector.settings
        if not settings.provenance or self.data is None:
            return ()
        return tuple(
            inspect_bytes(
                self.data,
                pixels=self.pixels,
                deep=self._deep,
                trust=settings.trust,
                limits=settings.limits,
            )
        )

    @cached_property
    def output(self) -> ModelOutput:
        """What the model says of it."""
        return self._detector.model.answer([self.views])[0]

    @cached_property
    def mapped_output(self) -> ModelOutput:
        """The same with maps, if the model has them; it costs an inference of its own."""
        if self.output.maps is not None or not self._detector.model.has_maps:
            return self.output
        plain = cut_views(self.pixels, self._detector.model.card.inputs)
        return self._detector.model.answer([plain], maps=True)[0]

    @cached_property
    def decision(self) -> Decision:
        """What all that means."""
        card = self._detector.model.card
        return decide(card, self.output, self.evidence, self._detector.settings)

    @cached_property
    def faces(self) -> tuple[FaceVerdict, ...] | None:
        """The faces, each judged by itself; None where nobody asked for them."""
        if self._cut_faces is None:
            return None
        return judge_faces(self._cut_faces, self._detector.model, self._detector.scale)

    @cached_property
    def _cut_faces(self) -> CutFaces | None:
        finder = self._detector.finder
        if finder is None:
            return None
        return find_and_cut(self.pixels, finder, self._detector.model.card)

    @property
    def verdict(self) -> Verdict:
        """The answer.

        Raises:
            PictureError: The picture cannot be read.
        """
        started = time.perf_counter()
        decision, faces = self.decision, self.faces
        self.seconds += time.perf_counter() - started
        return Verdict(
            path=self.name,
            verdict=decision.call,
            p_fake=decision.p_fake,
            category=decision.category,
            category_confidence=decision.category_confidence,
            decided_by=decision.decided_by,
            evidence=self.evidence,
            faces=faces,
            milliseconds=1000 * self.seconds,
            band=decision.band,
            forced=decision.forced,
            likeliest=decision.likeliest,
        )

    def prepare(self) -> PictureError | None:
        """Do all that needs no model, and then keep views and evidence alone.

        What a queue of pictures holds for each does not grow with their sizes then.

        Returns:
            Why the picture cannot be read; None where it can.
        """
        started = time.perf_counter()
        try:
            _ = self.views, self.evidence, self._cut_faces
        except PictureError as problem:
            self.name = problem.name or self.name
            return problem
        finally:
            self.seconds += time.perf_counter() - started
            self.__dict__.pop("pixels", None)
            self.__dict__.pop("data", None)
        return None

    def take(self, output: ModelOutput, seconds: float) -> None:
        """Take what the model said of it as one of a batch, and its share of the time."""
        self.output = output
        self.seconds += seconds


def _accepted(
    picture: Picture,
) -> str | Path | bytes | Image.Image | NDArray[np.uint8] | PictureError:
    """Return a picture in one of the forms that are read; raises TypeError for anything else."""
    if isinstance(picture, bytearray | memoryview):
        return bytes(picture)
    if isinstance(picture, str | Path | bytes | Image.Image | np.ndarray | PictureError):
        return picture
    read = getattr(picture, "read", None)
    if callable(read):
        data = read()
        if isinstance(data, bytes):
            return data
        raise TypeError("A file must be opened in binary mode to be read as a picture.")
    raise TypeError(
        "A picture is a path, bytes, a binary file, a Pillow image or an array of pixels, "
        f"not {type(cast(object, picture)).__name__}."
    )
