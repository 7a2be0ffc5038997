"""Choose when to answer, and when to say ``unsure``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unmask.detector.calibration import Probabilities

PROMISES = (0.05, 0.1, 0.15, 0.2)
"""Largest share of wrong answers among the answered, the strictest promise first."""
LEAST_ANSWERED = 0.25
CONFIDENCE = 0.9
_SHARES = np.linspace(0.1, 1.0, 10)


@dataclass(frozen=True)
class Band:
    """Between which probabilities a model says ``unsure``.

    Attributes:
        real_below: A ``p_fake`` under this is called real.
        fake_from: A ``p_fake`` from this on is called fake.
        most_wrong: The promise: with `CONFIDENCE`, no larger share of the answers is wrong; None
            where not even the weakest of `PROMISES` can be made, and nothing is ``unsure``.
    """

    real_below: float
    fake_from: float
    most_wrong: float | None


def choose_band(is_fake: NDArray[np.bool_], p_fake: Probabilities) -> Band:
    """Choose the strictest promise that a model can keep while it answers enough, and its band.

    Selective risk control (Geifman and El-Yaniv 2017; Angelopoulos et al. 2021, "Learn then
    Test"): for each promise cuts on ``|p_fake - 0.5|`` that answer at least `LEAST_ANSWERED` are
    tried, and of those whose Clopper-Pearson upper bound on the share of wrong answers keeps the
    promise, the one that answers most is taken. Bonferroni over all tenths and promises lets the
    bound hold for the one chosen, for pictures like those given, and for no others.

    Args:
        is_fake: Truth of validation pictures, shape (n,).
        p_fake: Their calibrated probabilities, shape (n,).
    """
    from scipy.stats import beta

    distance = np.abs(p_fake - 0.5)
    order = np.argsort(-distance)
    wrong = ((p_fake >= 0.5) != is_fake)[order]
    risk = (1 - CONFIDENCE) / (len(PROMISES) * len(_SHARES))
    for promise in PROMISES:
        for share in sorted(_SHARES[_SHARES >= LEAST_ANSWERED], reverse=True):
            count = max(1, round(share * wrong.size))
            errors = int(wrong[:count].sum())
            if errors < count and beta.ppf(1 - risk, errors + 1, count - errors) <= promise:
                cut = float(distance[order[count - 1]])
                # A hair less, so that the last picture inside is still answered.
                return Band(0.5 - cut + 1e-9, 0.5 + cut - 1e-9, promise)
    return Band(0.5, 0.5, None)


def choose_category_cut(confidence: Probabilities, most_lost: float = 0.005) -> float:
    """Choose the confidence under which a category is ``other``.

    Args:
        confidence: Confidence of the likeliest category on validation pictures that do show one
            of the categories, shape (n,).
        most_lost: Share of them that may be called ``other``.
    """
    return float(np.quantile(confidence, most_lost, method="lower"))
