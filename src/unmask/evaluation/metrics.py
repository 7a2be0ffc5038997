"""Metrics of a binary detector; fake is the positive class everywhere.

All functions take ``is_fake``, bool (n,), and ``p_fake``, float (n,), higher for more likely fake.
They are plain NumPy, so that judging a model needs no more than running it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Truth = NDArray[np.bool_]
Scores = NDArray[np.floating]


def auc(is_fake: Truth, p_fake: Scores) -> float:
    """Area under the ROC curve: how often a fake scores above a real one, ties counting half.

    Mann and Whitney's U over the number of pairs; in [0, 1], NaN where a class is absent.
    """
    positives = int(np.count_nonzero(is_fake))
    negatives = is_fake.size - positives
    if positives == 0 or negatives == 0:
        return float("nan")
    _, place, counts = np.unique(p_fake, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2
    u = ranks[place][is_fake].sum() - positives * (positives + 1) / 2
    return float(u / (positives * negatives))


def false_positive_rate(is_fake: Truth, called_fake: Truth) -> float:
    """Share of real pictures called fake; NaN without real pictures."""
    return _share(called_fake[~is_fake])


def false_negative_rate(is_fake: Truth, called_fake: Truth) -> float:
    """Share of fakes called real; NaN without fakes."""
    return _share(~called_fake[is_fake])


def accuracy(is_fake: Truth, called_fake: Truth) -> float:
    """Share of right calls; NaN without pictures."""
    return _share(is_fake == called_fake)


def balanced_accuracy(is_fake: Truth, called_fake: Truth) -> float:
    """Mean of the share of right calls among real pictures and among fakes."""
    wrong = false_positive_rate(is_fake, called_fake) + false_negative_rate(is_fake, called_fake)
    return 1 - wrong / 2


def ece(is_fake: Truth, p_fake: Scores, bins: int = 15) -> float:
    """Expected calibration error over equally filled bins (Nixon et al. 2019's adaptive ECE).

    Equally filled rather than equally wide bins, so that no bin rests on a handful of pictures.
    """
    if p_fake.size == 0:
        return float("nan")
    order = np.argsort(p_fake, kind="stable")
    gap = 0.0
    for part in np.array_split(order, min(bins, p_fake.size)):
        gap += part.size * abs(float(np.mean(p_fake[part])) - float(np.mean(is_fake[part])))
    return gap / p_fake.size


def brier(is_fake: Truth, p_fake: Scores) -> float:
    """Mean squared distance of the probability from the truth (Brier 1950)."""
    return float(np.mean((p_fake - is_fake) ** 2)) if p_fake.size else float("nan")


def _share(hits: NDArray[np.bool_]) -> float:
    return float(np.mean(hits)) if hits.size else float("nan")
