"""AUC over all pictures and within each source, with intervals over pictures or over seeds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from unmask.lab.data.manifest import Row
from unmask.lab.evaluate.bootstrap import Interval, interval, resample
from unmask.lab.evaluate.slices import slices
from unmask.lab.evaluate.sweep import Sweep
from unmask.lab.evaluate.wording import FEW

ALL, MEAN = "all", "mean over sources"


def areas(
    rows: Sequence[Row], scores: NDArray[np.floating], resamples: int = 1000
) -> dict[str, Interval]:
    """Return the AUC over all pictures, within each source, and the mean over sources.

    Sources with fewer than `FEW` pictures of a label are left out, of the mean too.

    Args:
        rows: The pictures.
        scores: Higher for more likely fake, shape (n,).
        resamples: Of the bootstrap over groups; 0 gives figures without intervals.
    """
    is_fake = np.array([row.is_fake for row in rows])
    weights = resample([row.group for row in rows], resamples)
    values = {}
    for cut in slices(rows):
        fakes = int(np.sum(is_fake[cut.mask]))
        if cut.kind in ("overall", "source") and FEW <= fakes <= int(cut.mask.sum()) - FEW:
            name = ALL if cut.kind == "overall" else cut.name
            values[name] = Sweep(is_fake[cut.mask], scores[cut.mask], weights[:, cut.mask]).auc()
    within = [found for name, found in values.items() if name != ALL]
    if within:
        values[MEAN] = np.mean(within, axis=0)
    if not resamples:
        return {name: (float(found[0]),) * 3 for name, found in values.items()}
    return {name: found for name, each in values.items() if (found := interval(each))}


def over_seeds(found: Sequence[dict[str, Interval]]) -> dict[str, Interval]:
    """Return the mean of each figure over runs that differ in their seed alone.

    The interval is Student's, 95%, of the mean: it says what other seeds would give on these very
    pictures. With one run there is none, and the figure's own interval stands.
    """
    if len(found) == 1:
        return found[0]
    from scipy.stats import t

    reach = float(t.ppf(0.975, len(found) - 1))
    result = {}
    for name in found[0]:
        values = np.array([one[name][0] for one in found])
        half = reach * float(values.std(ddof=1)) / len(found) ** 0.5
        result[name] = (
            float(values.mean()),
            float(values.mean()) - half,
            float(values.mean()) + half,
        )
    return result
