"""Intervals by the bootstrap, resampling groups and not pictures.

Near-duplicates and altered twins stand or fall together; resampling single pictures would take them
for independent and give intervals that are too narrow.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Interval = tuple[float, float, float]
"""A figure, and the 2.5% and 97.5% quantiles of its bootstrap distribution."""
Weights = NDArray[np.float64]
"""How often each picture was drawn, shape (resamples, pictures)."""


def resample(groups: Sequence[str], count: int = 1000, seed: int = 0) -> Weights:
    """Draw whole groups with replacement, ``count`` times; an empty group is a picture alone.

    The first row draws every picture once: what is computed on it is the figure itself.
    """
    names = [group or f"\0{place}" for place, group in enumerate(groups)]
    _, member = np.unique(names, return_inverse=True)
    rng = np.random.default_rng(seed)
    total = int(member.max()) + 1
    drawn = rng.multinomial(total, np.full(total, 1 / total), size=count)
    return np.vstack([np.ones(len(names)), drawn[:, member]])


def interval(values: NDArray[np.float64]) -> Interval | None:
    """Summarise a figure's values, the first of them its own; None where it does not exist."""
    if np.isnan(values[0]):
        return None
    low, high = np.nanquantile(values[1:], [0.025, 0.975])
    return float(values[0]), float(low), float(high)


def share(weights: Weights, hits: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the weighted share of hits of each resample; NaN where nothing was drawn."""
    with np.errstate(invalid="ignore"):
        return np.asarray(weights @ hits / weights.sum(1), dtype=np.float64)


def auc(
    weights: Weights, is_fake: NDArray[np.bool_], p_fake: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Return the area under the ROC curve of each resample; NaN where a label was not drawn."""
    _, place = np.unique(p_fake, return_inverse=True)
    order = np.argsort(place, kind="stable")
    starts = np.flatnonzero(np.diff(place[order], prepend=-1))
    fakes = np.add.reduceat((weights * is_fake)[:, order], starts, axis=1)
    reals = np.add.reduceat((weights * ~is_fake)[:, order], starts, axis=1)
    # A fake beats the real pictures below it, and half of those with the same score.
    wins = (fakes * (np.cumsum(reals, axis=1) - reals / 2)).sum(1)
    with np.errstate(invalid="ignore"):
        return np.asarray(wins / (fakes.sum(1) * reals.sum(1)), dtype=np.float64)
