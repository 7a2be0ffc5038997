"""What every model is to the detector: something that answers for views, and has a card."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unmask.model.card import ModelCard, ModelError
from unmask.picture.views import Views

Device = Literal["auto", "cpu", "cuda"]
Answer = tuple[NDArray[np.float32], NDArray[np.float32]]
VIEWS_A_RUN = 16
"""Views of one inference; more gain nothing on a CPU and cost memory in proportion."""


class Parts(NamedTuple):
    """Logits of one picture's views, and what is said of the whole picture beside them.

    Attributes:
        fake_logits: Of the views alone, shape (n,).
        category_logits: Shape (n, categories).
        whole_logit: Added once to the mean over views that have the whole picture among them.
    """

    fake_logits: NDArray[np.float32]
    category_logits: NDArray[np.float32]
    whole_logit: np.float32


class Features(NamedTuple):
    """What explains the logits of views: each is the mean over positions of weights x features + b.

    Attributes:
        fake_logits: Shape (n,).
        category_logits: Shape (n, categories).
        maps: Last feature maps, shape (n, channels, rows, columns).
        heads: Weights of the heads, shape (1 + categories, channels), the fake head first.
        branch: What of each fake logit came from a branch that looks at whole pictures, shape (n,):
            its logit times the picture's number of views in the first view, zero in the others.
    """

    fake_logits: NDArray[np.float32]
    category_logits: NDArray[np.float32]
    maps: NDArray[np.float32]
    heads: NDArray[np.float32]
    branch: NDArray[np.float32]


class ViewModel(ABC):
    """Anything that answers for views and has a card that says how to read the answer.

    Attributes:
        path: The file that the card describes.
        card: The model's card.
        device: Where it runs, ``cpu`` or ``cuda``.
    """

    path: Path
    card: ModelCard
    device: Literal["cpu", "cuda"]

    @abstractmethod
    def __call__(self, views: Views, counts: Sequence[int] | None = None) -> Answer:
        """Answer for views.

        Args:
            views: uint8, shape (n, size, size, 3).
            counts: How many of them belong to each picture, one after the other; None where all
                belong to one.

        Returns:
            The fake logits, shape (n,), and the category logits, shape (n, categories). Their means
            over the views of a picture are the picture's logits.
        """

    def parts(self, views: Views) -> Parts:
        """Answer for the views of one picture so that any choice of them can be pooled.

        Args:
            views: uint8, shape (n, size, size, 3), the whole picture first.
        """
        return Parts(*self(views), np.float32(0))

    @property
    def explains(self) -> bool:
        """Whether it can say what explains its answers."""
        return False

    def features(
        self, inputs: NDArray[np.float32], counts: Sequence[int] | None = None
    ) -> Features:
        """Answer for network inputs, and say what explains the answers.

        Args:
            inputs: Views as `normalise` returns them, float32, shape (n, 3, size, size).
            counts: How many of them belong to each picture; None where all belong to one.

        Raises:
            ModelError: The model puts out no such features.
        """
        raise ModelError(f"The model {self.card.name} has no exact maps.")

    def answer(self, batch: list[Views]) -> Answer:
        """Answer for pictures: logits pooled over each picture's views by their mean.

        Args:
            batch: The views of each picture.

        Returns:
            Pooled fake logits, shape (pictures,), and category logits, (pictures, categories).
        """
        starts = np.cumsum([0, *(len(views) for views in batch[:-1])])
        counts = np.array([len(views) for views in batch])
        fake, category = self(np.concatenate(batch), counts.tolist())
        pooled_fake = np.add.reduceat(fake, starts) / counts
        pooled_category = np.add.reduceat(category, starts, axis=0) / counts[:, None]
        return pooled_fake.astype(np.float32), pooled_category.astype(np.float32)
