"""Feed training: which pictures are drawn, in what proportion, and how they reach the network."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler, default_collate

from unmask.data.manifest import CATEGORIES, Row
from unmask.media.decode import decode, read_bytes
from unmask.media.errors import PictureError
from unmask.prepare.views import ViewPlan, make_views, normalise
from unmask.training.augment import training_view
from unmask.training.config import TrainConfig

NO_CATEGORY = -1
"""Category target of an unlabelled picture: the category loss leaves it out."""

log = logging.getLogger(__name__)
Sample = dict[str, Tensor]


class TrainingViews(Dataset[Sample | None]):
    """One random view a draw; a draw is (row number, seed of its augmentation)."""

    def __init__(self, rows: Sequence[Row], config: TrainConfig) -> None:
        self.rows, self.config = rows, config

    def __getitem__(self, draw: tuple[int, int]) -> Sample | None:
        index, seed = draw
        row = self.rows[index]
        try:
            pixels = decode(read_bytes(row.path))
        except PictureError as error:
            log.warning("skipped %s: %s", row.path, error)
            return None
        view = training_view(
            pixels,
            self.config.views.size,
            np.random.default_rng(seed),
            whole_share=self.config.whole_share,
            degraded_share=self.config.degraded_share,
        )
        return _sample(view[None], row, index)


class EvaluationViews(Dataset[Sample | None]):
    """All views of a picture, cut exactly as at run time."""

    def __init__(self, rows: Sequence[Row], plan: ViewPlan) -> None:
        self.rows, self.plan = rows, plan

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Sample | None:
        row = self.rows[index]
        try:
            views = make_views(decode(read_bytes(row.path)), self.plan)
        except PictureError as error:
            log.warning("skipped %s: %s", row.path, error)
            return None
        return _sample(views, row, index)


def collate(samples: list[Sample | None]) -> Sample | None:
    """Stack samples; pictures that could not be read are left out, never made blank."""
    readable = [sample for sample in samples if sample is not None]
    return default_collate(readable) if readable else None


class BalancedPairs(Sampler[tuple[int, int]]):
    """Draw (row number, seed) so that labels balance and altered twins come side by side.

    Each label gets half of the draws. Within a label a source gets a share by the square root of
    its size, so that small sources are heard and large ones not forgotten. Where a real picture's
    group holds a fake (the same photo, altered), both are drawn together with one seed: the same
    crop and the same re-encoding, so that the alteration alone tells them apart (B-Free, Guillaro
    et al. 2025).

    Args:
        rows: The training rows.
        seed: Of the draws; each epoch draws anew, the same way in every run.
    """

    def __init__(self, rows: Sequence[Row], seed: int) -> None:
        self.seed, self.epoch, self.length = seed, 0, len(rows)
        self.twins = _twins(rows)
        cells = Counter((row.label, row.source) for row in rows)
        share = {cell: count**0.5 for cell, count in cells.items()}
        total = {
            label: sum(part for cell, part in share.items() if cell[0] == label)
            for label in ("real", "fake")
        }
        weights = np.array(
            [
                share[row.label, row.source] / cells[row.label, row.source] / total[row.label]
                for row in rows
            ]
        )
        self.weights = weights / weights.sum()

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch's draws; Lightning calls this."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[tuple[int, int]]:
        rng = np.random.default_rng((self.seed, self.epoch))
        # A drawn row brings its twin, so draws are taken until the epoch is full.
        draws: list[tuple[int, int]] = []
        for index in rng.choice(self.length, size=self.length, p=self.weights):
            seed = int(rng.integers(2**32))
            twin = self.twins.get(int(index))
            draws.append((int(index), seed))
            if twin is not None:
                draws.append((twin[rng.integers(len(twin))], seed))
            if len(draws) >= self.length:
                break
        return iter(draws[: self.length])


def category_weights(rows: Sequence[Row]) -> Tensor:
    """Inverse-frequency weight of each category, shape (3,), mean 1 over labelled rows."""
    counts = Counter[str](row.category for row in rows if row.category)
    present = max(1, len(counts))
    total = sum(counts.values())
    return torch.tensor(
        [total / (present * counts[name]) if counts[name] else 0.0 for name in CATEGORIES]
    )


def _twins(rows: Sequence[Row]) -> dict[int, list[int]]:
    """Map each row that has rows of the other label in its group to those rows."""
    groups: defaultdict[str, list[int]] = defaultdict(list)
    for index, row in enumerate(rows):
        if row.group:
            groups[row.group].append(index)
    twins: dict[int, list[int]] = {}
    for members in groups.values():
        for index in members:
            others = [other for other in members if rows[other].label != rows[index].label]
            if others:
                twins[index] = others
    return twins


def _sample(views: np.ndarray, row: Row, index: int) -> Sample:
    category = CATEGORIES.index(row.category) if row.category else NO_CATEGORY
    return {
        "views": torch.from_numpy(normalise(views)),
        "fake": torch.tensor(float(row.is_fake)),
        "category": torch.tensor(category),
        "index": torch.tensor(index),
    }
