"""Choose when to answer, and when to say ``unsure``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from unmask.model.calibration import Probabilities
from unmask.model.card import Band

PROMISES = (0.05, 0.1, 0.15, 0.2)
"""Largest share of wrong answers among the answered, the strictest promise first."""
OFFERED = (0.02, 0.05, 0.1)
"""Promises that a card has a band for, beside the default, where they can be kept."""
LEAST_ANSWERED = 0.25
CONFIDENCE = 0.9
# Cuts by the share that they answer; a sequence of tests starts at the first of each row.
_SEQUENCES = (
    (LEAST_ANSWERED, 0.275, 0.3, 0.325, 0.35, 0.375),
    (0.4, 0.425, 0.45, 0.475, 0.5, 0.525, 0.55, 0.575),
    (0.6, 0.625, 0.65, 0.675, 0.7, 0.725, 0.75, 0.775, 0.8, 0.825, 0.85, 0.875, 0.9, 0.95, 1.0),
)
_RISKS = tuple((1 - CONFIDENCE) * part for part in (1 / 2, 1 / 4, 1 / 8, 1 / 8))
"""What each of `PROMISES` may fail with: half of all the risk goes to the one that is aimed at."""


def choose_bands(is_fake: NDArray[np.bool_], p_fake: Probabilities) -> tuple[Band, ...]:
    """Choose a model's bands, the default one first, then one for each of `OFFERED` that holds.

    The default is the strictest of `PROMISES` that the model keeps while it answers enough. All of
    these are tried, so that each has its part of the risk (`_RISKS`, Bonferroni). The promises that
    a user can ask for besides are tested one by one: each holds by itself with `CONFIDENCE`. What
    the choice of the default has refused is not offered.

    Args:
        is_fake: Truth of validation pictures, shape (n,).
        p_fake: Their calibrated probabilities, shape (n,).
    """
    tests = zip(PROMISES, _RISKS, strict=True)
    found = (choose_band(is_fake, p_fake, promise, risk) for promise, risk in tests)
    default = next((band for band in found if band), Band())
    kept = default.most_wrong or 1.0
    wanted = [one for one in OFFERED if one != kept and (one > kept or one < PROMISES[0])]
    offered = (choose_band(is_fake, p_fake, promise, 1 - CONFIDENCE) for promise in wanted)
    return (default, *(band for band in offered if band))


def choose_band(
    is_fake: NDArray[np.bool_], p_fake: Probabilities, promise: float, risk: float
) -> Band | None:
    """Choose the band that keeps a promise and answers most; None where there is none.

    Selective risk control (Geifman and El-Yaniv 2017) by testing cuts on ``|p_fake - 0.5|`` in a
    fixed order (Angelopoulos et al. 2021, "Learn then Test"), from few answers to all: a cut keeps
    a promise where the Clopper-Pearson upper bound on the share of wrong answers does. A test that
    passes hands its share of the risk on to the next, so that a whole sequence costs no more than
    one test; at the start of each of `_SEQUENCES` new risk comes in, so that one cut that fails by
    bad luck does not end it all (the fallback procedure, Wiens and Dmitrienko 2005). Of the cuts
    that pass, the one that answers most is taken.

    The bound is for pictures whose scores are like those given. Given the scores, the wrong
    answers among the surest are a sum of independent draws, and such a sum is at least as
    concentrated as the binomial that the bound is made for (Hoeffding 1956).

    Args:
        is_fake: Truth of validation pictures, shape (n,).
        p_fake: Their calibrated probabilities, shape (n,).
        promise: Largest share of wrong answers among the answered.
        risk: Probability with which the promise may fail.
    """
    from scipy.stats import beta

    distance = np.abs(p_fake - 0.5)
    order = np.argsort(-distance, kind="stable")
    wrong = ((p_fake >= 0.5) != is_fake)[order]
    # Equal scores are answered together.
    last = np.searchsorted(-distance[order], -distance[order], side="right")
    kept, level = 0, 0.0
    for sequence in _SEQUENCES:
        level += risk / len(_SEQUENCES)
        for share in sequence:
            count = int(last[max(1, round(share * wrong.size)) - 1])
            errors = int(wrong[:count].sum())
            passed = (
                level > 0
                and errors < count
                and (beta.ppf(1 - level, errors + 1, count - errors) <= promise)
            )
            kept, level = (count, level) if passed else (kept, 0.0)
    if not kept:
        return None
    cut = float(distance[order[kept - 1]])
    # A hair less, so that the last picture inside is still answered.
    return Band(real_below=0.5 - cut + 1e-9, fake_from=0.5 + cut - 1e-9, most_wrong=promise)


def choose_category_cut(confidence: Probabilities, most_lost: float = 0.005) -> float:
    """Choose the confidence under which a category is ``other``.

    Args:
        confidence: Confidence of the likeliest category on validation pictures that do show one
            of the categories, shape (n,).
        most_lost: Share of them that may be called ``other``.
    """
    return float(np.quantile(confidence, most_lost, method="lower"))
