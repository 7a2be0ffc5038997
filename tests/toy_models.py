"""Models of a few lines, whose answers tests can foretell."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from unmask.model.card import Band, ModelCard
from unmask.model.model import Model, ModelOutput
from unmask.picture.views import PictureViews, ViewPlan

CARD = ModelCard(
    name="toy",
    created="2026-01-01",
    sha256="0" * 64,
    opset=21,
    inputs={"views": ViewPlan(size=64, whole="squeezed", crops=0)},
    categories=(),
    bands=(Band(real_below=0.3, fake_from=0.7),),
    licence="none",
    intended_use="tests",
    training={},
)


class ToyModel(Model):
    """Answers with the mean of what it says of each view; counts how often it is asked."""

    path, card, device = Path("toy.onnx"), CARD, "cpu"

    def __init__(self) -> None:
        self.asked: list[int] = []

    def logit(self, view: np.ndarray) -> float:
        """Return the logit of a view, uint8 (size, size, 3)."""
        raise NotImplementedError

    def answer(self, pictures: Sequence[PictureViews], *, maps: bool = False) -> list[ModelOutput]:
        self.asked.append(len(pictures))
        outputs = []
        for picture in pictures:
            logits = np.array([self.logit(view) for view in picture["views"]], dtype=np.float32)
            none = np.zeros(0, dtype=np.float32)
            outputs.append(ModelOutput(float(logits.mean()), none, logits))
        return outputs


class BrightIsFake(ToyModel):
    """Takes bright views for fakes."""

    def logit(self, view: np.ndarray) -> float:
        return 5.0 if view.mean() > 128 else -5.0


class RoughIsFake(ToyModel):
    """Takes neighbouring pixels that differ for a sign of fake, or of real.

    Args:
        sign: 1, or -1 for the contrary.
    """

    def __init__(self, sign: int = 1) -> None:
        super().__init__()
        self.sign = sign

    def logit(self, view: np.ndarray) -> float:
        return self.sign * float(np.abs(np.diff(view.astype(float), axis=1)).mean()) / 10 - 1


class LeftIsFake(ToyModel):
    """Takes a picture for a fake whose left half is the brighter one: no mirror image agrees."""

    def logit(self, view: np.ndarray) -> float:
        half = view.shape[1] // 2
        return 3.0 if view[:, :half].mean() > view[:, half:].mean() else -5.0
