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
Values = NDArray[np.float64]
"""A figure in each resample, shape (resamples,); the first is that of the pictures themselves."""

_TAIL = 0.025


def resample(groups: Sequence[str], count: int = 1000, seed: int = 0) -> Weights:
    """Draw whole groups with replacement, ``count`` times; an empty group is a picture alone.

    The first row draws every picture once: what is computed on it is the figure itself.
    """
    member = members(groups)
    rng = np.random.default_rng(seed)
    total = int(member.max()) + 1
    drawn = rng.multinomial(total, np.full(total, 1 / total), size=count)
    return np.vstack([np.ones(len(groups)), drawn[:, member]])


def members(groups: Sequence[str]) -> NDArray[np.int64]:
    """Number the groups from 0 on, shape (pictures,); an empty group is a picture alone."""
    names = [group or f"\0{place}" for place, group in enumerate(groups)]
    return np.asarray(np.unique(names, return_inverse=True)[1], dtype=np.int64)


def interval(values: Values) -> Interval | None:
    """Summarise a figure's values; None where the figure does not exist."""
    if np.isnan(values[0]):
        return None
    low, high = np.nanquantile(values[1:], [_TAIL, 1 - _TAIL])
    return float(values[0]), float(low), float(high)


def share_interval(values: Values, groups: int) -> Interval | None:
    """Summarise a share of pictures out of ``groups`` groups.

    Where none or all of the pictures count, every resample agrees and the bootstrap would claim to
    be certain; the exact binomial bound over groups stands in (Clopper and Pearson 1934).
    """
    reach = 1 - _TAIL ** (1 / groups) if groups else 1.0
    if values[0] == 0:
        return 0.0, 0.0, reach
    if values[0] == 1:
        return 1.0, 1 - reach, 1.0
    return interval(values)


def centred_interval(values: Values) -> Interval | None:
    """Summarise a figure that resampling itself moves, such as a mean of absolute differences.

    Drawing with replacement adds noise, and noise adds to absolute differences, so that the
    resamples lie above the figure; the interval is moved back by that bias (Efron 1979).
    """
    found = interval(values)
    if found is None:
        return None
    bias = float(np.nanmean(values[1:])) - found[0]
    return found[0], found[1] - bias, found[2] - bias
