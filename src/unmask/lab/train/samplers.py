"""Which pictures an epoch draws, and how often."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch.distributed as dist
from numpy.typing import NDArray
from torch.utils.data import Sampler

from unmask.lab.data.manifest import Row
from unmask.lab.train.config import TrainConfig

Draw = tuple[int, int]
"""A row number, and the seed of its augmentation."""
Weights = NDArray[np.float64]


class Draws(Sampler[Draw]):
    """Draws (row number, seed), as many an epoch as there are rows, the same way in every run.

    When several processes train together, all make the same draws and each takes its own share.

    Args:
        weights: How likely each row is drawn, with replacement; None draws every row once.
        seed: Of the draws; each epoch draws anew.
        twins: Rows that a row brings along, one of them at each draw, with the same seed.
    """

    def __init__(
        self,
        rows: int,
        weights: Weights | None,
        seed: int,
        twins: Mapping[int, Sequence[int]] | None = None,
    ) -> None:
        self.length, self.weights, self.seed, self.twins = rows, weights, seed, twins or {}
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch's draws; Lightning calls this."""
        self.epoch = epoch

    def boost(self, factors: Mapping[int, float]) -> None:
        """Draw some rows more often from the next epoch on.

        Args:
            factors: How many times as often, by row number; none changes nothing.
        """
        if not factors:
            return
        weights = np.ones(self.length) if self.weights is None else self.weights.copy()
        for index, factor in factors.items():
            weights[index] *= factor
        self.weights = weights / weights.sum()

    def __len__(self) -> int:
        return self.length // _processes()[1]

    def __iter__(self) -> Iterator[Draw]:
        rank, count = _processes()
        share = len(self)
        return iter(self._epoch_draws()[rank : share * count : count])

    def _epoch_draws(self) -> list[Draw]:
        rng = np.random.default_rng((self.seed, self.epoch))
        if self.weights is None:
            order = rng.permutation(self.length)
        else:
            order = rng.choice(self.length, size=self.length, p=self.weights)
        # A drawn row brings its twin, so draws are taken until the epoch is full.
        draws: list[Draw] = []
        for index in order:
            seed = int(rng.integers(2**32))
            twin = self.twins.get(int(index))
            draws.append((int(index), seed))
            if twin is not None:
                draws.append((twin[int(rng.integers(len(twin)))], seed))
            if len(draws) >= self.length:
                break
        return draws[: self.length]


def create_sampler(rows: Sequence[Row], config: TrainConfig) -> Draws:
    """Make the sampler of a configuration over training rows."""
    if config.sampler == "pairs":
        return balanced_pairs(rows, config.seed)
    weights = label_by_source(rows) if config.sampler == "weighted" else None
    return Draws(len(rows), weights, config.seed)


def balanced_pairs(rows: Sequence[Row], seed: int) -> Draws:
    """Draw so that labels balance and altered twins come side by side.

    Each label gets half of the draws. Within a label a source gets a share by the square root of
    its size, so that small sources are heard and large ones not forgotten. Where a real picture's
    group holds a fake (the same photo, altered), both are drawn together with one seed: the same
    crop and the same re-encoding, so that the alteration alone tells them apart (B-Free, Guillaro
    et al. 2025).

    Args:
        rows: The training rows.
        seed: Of the draws.
    """
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
    return Draws(len(rows), weights / weights.sum(), seed, _twins(rows))


def label_by_source(rows: Sequence[Row]) -> Weights:
    """Weigh rows so that every label of every source is drawn equally often, shape (rows,)."""
    cells = Counter((row.label, row.source) for row in rows)
    weights = np.array([1 / cells[row.label, row.source] for row in rows])
    return np.asarray(weights / weights.sum(), dtype=np.float64)


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


def _processes() -> tuple[int, int]:
    """Return this process's number and how many train together."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


class Shard(Sampler[int]):
    """Every picture once: this process's share, when several judge together."""

    def __init__(self, rows: int) -> None:
        self.rows = rows

    def __iter__(self) -> Iterator[int]:
        rank, count = _processes()
        return iter(range(rank, self.rows, count))

    def __len__(self) -> int:
        rank, count = _processes()
        return len(range(rank, self.rows, count))
