"""What the measurements share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from unmask.heatmap import Explanation
from unmask.heatmap.spread import Heat, Spread
from unmask.lab.data.manifest import Row

Figure = tuple[float, float, float]
"""A mean and its 95% interval."""
_RESAMPLES = 2000


def mean_of(values: Sequence[float] | NDArray[np.floating]) -> Figure:
    """Return the mean of one value a picture, with the interval of a bootstrap over pictures."""
    known = np.asarray(values, dtype=np.float64)
    known = known[~np.isnan(known)]
    rng = np.random.default_rng(0)
    means = known[rng.integers(0, known.size, (_RESAMPLES, known.size))].mean(1)
    low, high = np.quantile(means, (0.025, 0.975))
    return round(float(known.mean()), 4), round(float(low), 4), round(float(high), 4)


def evenly(rows: Sequence[Row], count: int) -> list[Row]:
    """Take ``count`` rows, half of them fakes, spread evenly over sources as they are listed."""
    chosen: list[Row] = []
    for fake in (False, True):
        part = sorted((row for row in rows if row.is_fake == fake), key=lambda row: str(row.path))
        places = np.linspace(0, len(part) - 1, min(count // 2, len(part))).round().astype(int)
        chosen += [part[place] for place in places]
    return chosen


def random_map(found: Explanation, rng: np.random.Generator) -> Heat:
    """Return a map of random cells, as smooth as the real one and over the same views."""
    cells = rng.standard_normal(found.cells.shape).astype(np.float32)
    height, width = found.pixels.shape[:2]
    return Spread(cells, found.boxes, height, width).over(height, width)


def spearman(one: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    """Return the rank correlation; NaN where one does not vary."""
    from scipy.stats import rankdata

    ranks = [rankdata(values.ravel()) for values in (one, other)]
    if min(rank.std() for rank in ranks) == 0:
        return float("nan")
    return float(np.corrcoef(ranks)[0, 1])
