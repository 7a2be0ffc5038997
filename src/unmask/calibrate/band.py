"""Choose when to answer, and when to say ``unsure``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from unmask.detector.calibration import Probabilities

MOST_WRONG = 0.05
"""Largest share of wrong answers among those called fake, and among those called real."""
CONFIDENCE = 0.9
_SHARES = np.linspace(0.1, 1.0, 10)


def choose_band(is_fake: NDArray[np.bool_], p_fake: Probabilities) -> tuple[float, float]:
    """Choose the widest answers of which, with confidence, at most 5% are wrong.

    Selective risk control (Geifman and El-Yaniv 2017; Angelopoulos et al. 2021, "Learn then
    Test"): for each call, ten cuts are tried, and the one that answers most is kept whose
    Clopper-Pearson upper bound on the share of wrong answers is at most `MOST_WRONG`. The bounds
    hold for all ten cuts together with `CONFIDENCE` (Bonferroni), for pictures like those given.

    Args:
        is_fake: Truth of validation pictures, shape (n,).
        p_fake: Their calibrated probabilities, shape (n,).

    Returns:
        ``real_below`` and ``fake_from``. Where no cut keeps the promise they are 0 and 1: all but
        certainty is unsure.
    """
    fake_from = _cut(p_fake[p_fake >= 0.5], ~is_fake[p_fake >= 0.5])
    real_below = 1 - _cut(1 - p_fake[p_fake < 0.5], is_fake[p_fake < 0.5])
    return real_below, fake_from


def _cut(confidence: Probabilities, wrong: NDArray[np.bool_]) -> float:
    """Return the lowest confidence, among ten quantiles, from which on few answers are wrong."""
    from scipy.stats import beta

    order = np.argsort(-confidence)
    risk = (1 - CONFIDENCE) / len(_SHARES)
    kept = 1.0
    for share in _SHARES:
        count = round(share * confidence.size)
        errors = int(wrong[order[:count]].sum())
        bound = beta.ppf(1 - risk, errors + 1, count - errors) if errors < count else 1.0
        if bound <= MOST_WRONG:
            kept = float(confidence[order[count - 1]])
    return kept


def choose_category_cut(confidence: Probabilities, most_lost: float = 0.005) -> float:
    """Choose the confidence under which a category is ``other``.

    Args:
        confidence: Confidence of the likeliest category on validation pictures that do show one
            of the categories, shape (n,).
        most_lost: Share of them that may be called ``other``.
    """
    return float(np.quantile(confidence, most_lost, method="lower"))
