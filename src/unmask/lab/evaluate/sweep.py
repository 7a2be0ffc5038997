"""All thresholds of a detector at once: what ROC and precision-recall curves are made of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from unmask.lab.evaluate.bootstrap import Values, Weights

Curve = NDArray[np.float64]


class Sweep:
    """Counts of right and false alarms at every threshold, from the strictest to the laxest.

    Pictures with the same score are called together, so ties need no rule.

    Attributes:
        thresholds: The distinct scores, falling, shape (k,).
        hits: Fakes with at least that score, shape (resamples, k + 1), from 0 to all.
        alarms: Real pictures with at least that score, likewise.
    """

    def __init__(
        self, is_fake: NDArray[np.bool_], p_fake: NDArray[np.floating], weights: Weights
    ) -> None:
        distinct, place = np.unique(-np.asarray(p_fake, dtype=np.float64), return_inverse=True)
        self.thresholds: Curve = -distinct
        order = np.argsort(place, kind="stable")
        starts = np.flatnonzero(np.diff(place[order], prepend=-1))
        drawn = weights[:, order]
        fakes = np.add.reduceat(drawn * is_fake[order], starts, axis=1)
        alls = np.add.reduceat(drawn, starts, axis=1)
        self.hits: Curve = _from_zero(fakes)
        self.alarms: Curve = _from_zero(alls - fakes)

    @property
    def true_positive_rate(self) -> Curve:
        """Share of fakes called fake; NaN where no fake was drawn."""
        with np.errstate(invalid="ignore"):
            return np.asarray(self.hits / self.hits[:, -1:], dtype=np.float64)

    @property
    def false_positive_rate(self) -> Curve:
        """Share of real pictures called fake; NaN where no real one was drawn."""
        with np.errstate(invalid="ignore"):
            return np.asarray(self.alarms / self.alarms[:, -1:], dtype=np.float64)

    @property
    def precision(self) -> Curve:
        """Share of fakes among the pictures called fake; 1 where nothing is called."""
        called = self.hits + self.alarms
        return np.divide(self.hits, called, out=np.ones_like(called), where=called > 0)

    def auc(self) -> Values:
        """Area under the ROC curve: how often a fake scores above a real one, ties counting half.

        By the trapezoidal rule, which is Mann and Whitney's U over the number of pairs.
        """
        areas = np.diff(self.alarms) * (self.hits[:, 1:] + self.hits[:, :-1]) / 2
        with np.errstate(invalid="ignore"):
            return np.asarray(
                areas.sum(1) / (self.hits[:, -1] * self.alarms[:, -1]), dtype=np.float64
            )

    def average_precision(self) -> Values:
        """Mean precision over the fakes, each at its own score, without interpolation."""
        total = self.hits[:, -1]
        value = np.full(len(total), np.nan)
        gained = (np.diff(self.hits) * self.precision[:, 1:]).sum(1)
        np.divide(gained, total, out=value, where=total > 0)
        return self._where_both(value)

    def equal_error_rate(self) -> Values:
        """The rate at which FPR and FNR are equal, on straight lines between the thresholds."""
        fpr = self.false_positive_rate
        gap = fpr + self.true_positive_rate - 1
        after = np.argmax(gap >= 0, axis=1)[:, None]
        here, before = (np.take_along_axis(gap, at, axis=1) for at in (after, after - 1))
        start, end = (np.take_along_axis(fpr, at, axis=1) for at in (after - 1, after))
        with np.errstate(invalid="ignore", divide="ignore"):
            value = start + (end - start) * -before / (here - before)
        return self._where_both(value[:, 0])

    def fpr_at_tpr(self, least: float) -> Values:
        """The lowest FPR at any threshold that finds a share of at least ``least`` of the fakes."""
        enough = np.argmax(self.true_positive_rate >= least - 1e-12, axis=1)[:, None]
        value = np.take_along_axis(self.false_positive_rate, enough, axis=1)[:, 0]
        return self._where_both(value)

    def _where_both(self, value: Values) -> Values:
        return np.where((self.hits[:, -1] > 0) & (self.alarms[:, -1] > 0), value, np.nan)


def _from_zero(counts: Curve) -> Curve:
    return np.pad(np.cumsum(counts, axis=1), ((0, 0), (1, 0)))
