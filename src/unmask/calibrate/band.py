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
_SHARES = np.linspace(LEAST_ANSWERED, 1.0, 31)
_RISKS = tuple((1 - CONFIDENCE) * part for part in (1 / 2, 1 / 4, 1 / 8, 1 / 8))
"""What each of `PROMISES` may fail with: half of all the risk goes to the one that is aimed at."""


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

    Selective risk control (Geifman and El-Yaniv 2017) by fixed-sequence testing (Angelopoulos et
    al. 2021, "Learn then Test"): for each promise the cut on ``|p_fake - 0.5|`` starts where the
    surest `LEAST_ANSWERED` are answered and goes on to more for as long as the Clopper-Pearson
    upper bound on the share of wrong answers keeps the promise. Going on only from a cut that
    passed, the whole sequence fails no more often than a single test would, so that only the
    number of promises has to be paid for (`_RISKS`, Bonferroni).

    The bound is for pictures whose scores are like those given. Given the scores, the wrong
    answers among the surest are a sum of independent draws, and such a sum is at least as
    concentrated as the binomial that the bound is made for (Hoeffding 1956).

    Args:
        is_fake: Truth of validation pictures, shape (n,).
        p_fake: Their calibrated probabilities, shape (n,).
    """
    from scipy.stats import beta

    distance = np.abs(p_fake - 0.5)
    order = np.argsort(-distance, kind="stable")
    wrong = ((p_fake >= 0.5) != is_fake)[order]
    # Equal scores are answered together.
    last = np.searchsorted(-distance[order], -distance[order], side="right")
    counts = [int(last[max(1, round(share * wrong.size)) - 1]) for share in _SHARES]
    for promise, risk in zip(PROMISES, _RISKS, strict=True):
        kept = 0
        for count in counts:
            errors = int(wrong[:count].sum())
            if errors == count or beta.ppf(1 - risk, errors + 1, count - errors) > promise:
                break
            kept = count
        if kept:
            cut = float(distance[order[kept - 1]])
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
