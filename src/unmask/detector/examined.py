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
    DecodedPicture,
    Pixels,
    decode_picture,
    from_array,
    from_image,
    read_bytes,
)
from unmask.picture.errors import PictureError
from unmask.picture.plain import is_plain
from unmask.picture.views import PictureViews, View, cut_views, list_views, unseen_notes
from unmask.verdict.decide import Decision, PictureFacts, decide
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
_KEPT_PIXELS = 4_000_000


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
    def _decoded(self) -> DecodedPicture:
        limits = self._detector.settings.limits
        if self.data is not None:
            return decode_picture(self.data, limits)
        if isinstance(self._given, Image.Image):
            return from_image(self._given, limits)
        return from_array(np.asarray(self._given), limits)

    @property
    def pixels(self) -> Pixels:
        """What is judged: uint8 RGB, shape (height, width, 3).

        Raises:
            PictureError: The picture cannot be read.
        """
        return self._decoded.pixels

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of how it was read, one sentence each; none for most.

        Raises:
            PictureError: The picture cannot be read.
        """
        height, width = self.pixels.shape[:2]
        unseen = unseen_notes(height, width, self._detector.plans)
        return (*self._decoded.notes, *unseen)

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
        """What it says without test-time augmentation, with maps if the model has them.

        Asked for before `output`, it is the same inference.
        """
        detector = self._detector
        augmented = detector.settings.tta
        if "output" in self.__dict__ and not augmented and not detector.model.has_maps:
            return self.output
        output = detector.model.answer([self.plain_views], maps=True)[0]
        if not augmented:
            self.__dict__.setdefault("output", output)
        return output

    @property
    def plain_views(self) -> PictureViews:
        """What the model is shown without test-time augmentation; what `shown` lists."""
        if self._detector.settings.tta:
            return cut_views(self.pixels, self._detector.model.card.inputs)
        return self.views

    @cached_property
    def facts(self) -> PictureFacts:
        """What is known of it besides the model's output; of its faces, nothing yet."""
        height, width = self.pixels.shape[:2]
        return PictureFacts(width, height, plain=is_plain(self.pixels))

    @cached_property
    def decision(self) -> Decision:
        """What all that means."""
        card, settings = self._detector.model.card, self._detector.settings
        decision = decide(card, self.output, self.facts, self.evidence, settings)
        # Faces have a say over ``real`` alone, and each costs an inference.
        if decision.call != "real" or card.face_cut is None or decision.forced:
            return decision
        facts = self.facts._replace(face_p_fakes=self.face_p_fakes)
        return decide(card, self.output, facts, self.evidence, settings)

    @cached_property
    def faces(self) -> tuple[FaceVerdict, ...] | None:
        """The faces, each judged by itself; None where nobody asked for them."""
        return self.judged_faces if self._detector.settings.faces else None

    @property
    def face_p_fakes(self) -> list[float]:
        """The p(fake) of each face that was judged by itself."""
        return [face.p_fake for face in self.judged_faces if face.p_fake is not None]

    @cached_property
    def judged_faces(self) -> tuple[FaceVerdict, ...]:
        """The faces, also where they have a say and nobody asked for them."""
        cut = self._cut_faces
        return judge_faces(cut, self._detector.model, self._detector.scale) if cut else ()

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
        return Verdict.of(
            self.name, decision, self.evidence, faces, 1000 * self.seconds, notes=self.notes
        )

    def prepare(self) -> PictureError | None:
        """Do all that needs no model, and then keep views and evidence, and the pixels of few.

        What a queue of pictures holds for each does not grow with their sizes then.

        Returns:
            Why the picture cannot be read; None where it can.
        """
        started = time.perf_counter()
        # Faces that nobody asked for matter to some answers alone: a picture that costs little to
        # keep waits for the model's.
        keep = False
        try:
            _ = self.views, self.facts, self.notes, self.evidence
            keep = self.facts.width * self.facts.height <= _KEPT_PIXELS
            if self._detector.settings.faces or not keep:
                keep, _ = False, self._cut_faces
        except PictureError as problem:
            self.name = problem.name or self.name
            return problem
        finally:
            self.seconds += time.perf_counter() - started
            self.__dict__.pop("data", None)
            if not keep:
                self.__dict__.pop("_decoded", None)
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
