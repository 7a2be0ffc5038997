"""What every model is to the rest: something that answers for pictures, and has a card."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from unmask.model.card import ModelCard, ModelError
from unmask.picture.views import PictureViews

Device = Literal["auto", "cpu", "cuda"]


@dataclass(frozen=True, slots=True)
class ModelOutput:
    """What a model says of one picture, before calibration.

    Attributes:
        logit: Pooled over the picture's views; positive for fake.
        category_logits: Of the card's categories, shape (categories,).
        view_logits: What each view says by itself, shape (views,), in the order of `list_views`.
        graphic_logit: Positive where the picture is no photograph; None where the model cannot say.
        maps: Where the logits come from, shape (1 + categories, views, rows, columns), the fake
            logit first: over views and places, the mean of a map and a bias make its logit. None
            where nobody asked, or where the model has no such maps.
    """

    logit: float
    category_logits: NDArray[np.float32]
    view_logits: NDArray[np.float32]
    graphic_logit: float | None = None
    maps: NDArray[np.float32] | None = None


class Model(ABC):
    """Anything that answers for pictures and has a card that says how to read the answers.

    Attributes:
        path: The file that the card describes.
        card: The model's card.
        device: Where it runs.
    """

    path: Path
    card: ModelCard
    device: Literal["cpu", "cuda"]

    @abstractmethod
    def answer(self, pictures: Sequence[PictureViews], *, maps: bool = False) -> list[ModelOutput]:
        """Answer for pictures, one output each, in their order.

        Args:
            pictures: The views of each, cut as the card's inputs say.
            maps: Whether to say where the logits come from, if the model can.
        """

    @property
    def has_maps(self) -> bool:
        """Whether it can say exactly where its logits come from."""
        return False

    @property
    def methods(self) -> tuple[str, ...]:
        """By which methods its answers can be explained, the best first."""
        return ("cam", "occlusion") if self.has_maps else ("occlusion",)

    def explain_views(self, views: PictureViews, head_row: int, method: str) -> NDArray[np.float32]:
        """Say where a logit comes from, by a method that is the model's own.

        Args:
            views: Of one picture.
            head_row: Which logit: 0 for fake, then the categories.
            method: One of `methods`.

        Returns:
            The map of each view, shape (views, rows, columns), views in the order of `list_views`.

        Raises:
            ModelError: The model has no such method of its own.
        """
        raise ModelError(f"{self.card.name} cannot be explained by '{method}'.")
