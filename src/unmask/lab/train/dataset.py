"""How pictures reach the network."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_collate

from unmask.lab.data.manifest import CATEGORIES, Row
from unmask.lab.train.augment import training_view
from unmask.lab.train.config import TrainConfig
from unmask.lab.train.losses import NO_CATEGORY
from unmask.lab.train.normalise import InputScale, normalise
from unmask.lab.train.pseudo import make_pseudo
from unmask.picture.decode import Pixels, decode, read_bytes
from unmask.picture.errors import PictureError
from unmask.picture.views import ViewPlan, make_views

log = logging.getLogger(__name__)
Sample = dict[str, Tensor]
Reader = Callable[[Row], Pixels]
"""Gives a row's pixels or raises PictureError: decodes its file, or looks into a cache."""
UNREADABLE = "unreadable"
"""Key of a batch: row numbers of the pictures left out of it."""


@dataclass(frozen=True)
class Unreadable:
    """Stands for a picture that could not be read.

    Attributes:
        index: Its row number.
    """

    index: int


def read_pixels(row: Row) -> Pixels:
    """Decode a row's file."""
    return decode(read_bytes(row.path))


class TrainingViews(Dataset[Sample | Unreadable]):
    """One random view a draw; a draw is (row number, seed of its augmentation)."""

    def __init__(
        self, rows: Sequence[Row], config: TrainConfig, read: Reader = read_pixels
    ) -> None:
        self.rows, self.config, self.read = rows, config, read

    def __getitem__(self, draw: tuple[int, int]) -> Sample | Unreadable:
        index, seed = draw
        row = self.rows[index]
        try:
            pixels = self.read(row)
        except PictureError as error:
            return _skip(row, index, error)
        return _sample(self.view(row, pixels, seed)[None], row, index, self.config.scale)

    def view(self, row: Row, pixels: Pixels, seed: int) -> Pixels:
        """Draw a view of a row's pixels, uint8, shape (size, size, 3)."""
        return training_view(make_pseudo(row, pixels, seed), self.config, seed)


class EvaluationViews(Dataset[Sample | Unreadable]):
    """All views of a picture, cut exactly as at run time."""

    def __init__(
        self,
        rows: Sequence[Row],
        plan: ViewPlan,
        scale: InputScale,
        read: Reader = read_pixels,
    ) -> None:
        self.rows, self.plan, self.scale, self.read = rows, plan, scale, read

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Sample | Unreadable:
        row = self.rows[index]
        try:
            pixels = self.read(row)
        except PictureError as error:
            return _skip(row, index, error)
        return _sample(make_views(pixels, self.plan), row, index, self.scale)


def collate(samples: list[Sample | Unreadable]) -> Sample:
    """Stack samples; pictures that could not be read are left out, never made blank.

    Returns:
        The stacked samples, nothing where none could be read, and the row numbers of the others
        under `UNREADABLE`.
    """
    readable = [sample for sample in samples if not isinstance(sample, Unreadable)]
    batch: Sample = default_collate(readable) if readable else {}
    left_out = [sample.index for sample in samples if isinstance(sample, Unreadable)]
    return batch | {UNREADABLE: torch.tensor(left_out, dtype=torch.long)}


def loader(data: Dataset[Any], config: TrainConfig, **options: Any) -> DataLoader[Any]:
    """Feed a dataset in batches from a configuration's worker processes."""
    return DataLoader(
        data,
        batch_size=config.batch_size,
        num_workers=config.workers,
        collate_fn=collate,
        persistent_workers=config.workers > 0,
        pin_memory=torch.cuda.is_available(),
        **options,
    )


def _skip(row: Row, index: int, error: PictureError) -> Unreadable:
    log.warning("skipped %s: %s", row.path, error)
    return Unreadable(index)


def _sample(views: np.ndarray, row: Row, index: int, scale: InputScale) -> Sample:
    category = CATEGORIES.index(row.category) if row.category else NO_CATEGORY
    return {
        "views": normalise(torch.tensor(views), scale),
        "fake": torch.tensor(float(row.is_fake)),
        "category": torch.tensor(category),
        "index": torch.tensor(index),
    }
