"""Compare two models on the same pictures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unmask.lab.evaluate.answers import Answers
from unmask.lab.evaluate.bootstrap import Interval, centred_interval, interval, resample
from unmask.lab.evaluate.metrics import METRICS, measure

COMPARED = ("auc", "accuracy", "ece")


@dataclass(frozen=True, slots=True)
class Difference:
    """How far one metric of the judged model lies from the other model's.

    Attributes:
        metric: One of `COMPARED`.
        own: Of the judged model.
        other: Of the other model.
        change: Own minus other, with its 95% interval.
    """

    metric: str
    own: float
    other: float
    change: Interval

    @property
    def distinguishable(self) -> bool:
        """Whether zero lies outside the interval."""
        return not self.change[1] <= 0 <= self.change[2]

    def sentence(self, name: str) -> str:
        """Say it in words.

        Args:
            name: Of the other model.
        """
        change, low, high = self.change
        title = METRICS[self.metric].title
        return (
            f"{title[0].upper()}{title[1:]} {self.own:.3f} against {self.other:.3f} of {name}: "
            f"difference {change:+.3f} ({low:+.3f} to {high:+.3f}), "
            f"{'' if self.distinguishable else 'not '}distinguishable from zero."
        )


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two models on the pictures that both answered.

    Attributes:
        name: Of the other model's file.
        pictures: Number of these pictures.
        differences: One a metric of `COMPARED`.
    """

    name: str
    pictures: int
    differences: tuple[Difference, ...]


def compare(
    own: Answers, other: Answers, name: str, threshold: float, resamples: int
) -> Comparison:
    """Take the paired differences of two models.

    Both are judged in the same resamples, so that what makes a resample hard or easy cancels.

    Args:
        own: Answers of the judged model.
        other: Answers of the other model on the same rows.
        name: Of the other model's file.
        threshold: From this ``p_fake`` on a picture is called fake, in both.
        resamples: Of the bootstrap over groups.

    Raises:
        ValueError: Both labels are needed among the pictures that both answered.
    """
    theirs = dict(zip(other.rows, other.p_fake, strict=True))
    both = np.array([row in theirs for row in own.rows])
    rows = [row for row in own.rows if row in theirs]
    is_fake = own.is_fake[both]
    if is_fake.all() or not is_fake.any():
        raise ValueError(f"The pictures answered here and in {name} do not have both labels.")
    weights = resample([row.group for row in rows], resamples)
    ours = measure(is_fake, own.p_fake[both], threshold, weights)
    others = measure(is_fake, np.array([theirs[row] for row in rows]), threshold, weights)
    differences = []
    for metric in COMPARED:
        summarise = centred_interval if metric == "ece" else interval
        change = summarise(ours[metric] - others[metric])
        assert change is not None  # noqa: S101  (both labels are there)
        differences.append(
            Difference(metric, float(ours[metric][0]), float(others[metric][0]), change)
        )
    return Comparison(name, len(rows), tuple(differences))
