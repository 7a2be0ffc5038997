"""Choose a card's cuts by counting on pictures that the heads were not fitted to."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from unmask.lab.calibrate.fit import Truth
from unmask.model.calibration import Probabilities
from unmask.model.card import Band

SAFETY = 0.9
"""Bands are counted for this much of their promise, so that unseen publishers keep it too."""
_STEPS = 240


def count_band(is_fake: Truth, p_fake: Probabilities, promise: float, most_accused: float) -> Band:
    """Choose the two cuts that answer most pictures while they keep two limits.

    Unlike `choose_bands` they need not lie evenly about one half: a photograph called fake is worse
    than a fake called real, and has a limit of its own.

    Args:
        is_fake: The truth, shape (n,).
        p_fake: Calibrated, shape (n,).
        promise: Largest share of wrong answers among the answered; `SAFETY` of it is counted.
        most_accused: Largest share of the real pictures that may be called fake.
    """
    cuts = np.unique(np.quantile(p_fake, np.linspace(0, 1, _STEPS)))
    below, fake = p_fake[None] < cuts[:, None], is_fake[None]
    called_real, missed = below.sum(1), (below & fake).sum(1)
    called_fake, accused = (~below).sum(1), (~below & ~fake).sum(1)
    # Every pair of cuts: rows for the lower one, columns for the upper.
    answered = called_real[:, None] + called_fake[None]
    wrong = missed[:, None] + accused[None]
    allowed = (
        (cuts[:, None] <= cuts[None])
        & (wrong <= SAFETY * promise * answered)
        & (accused[None] <= most_accused * np.sum(~is_fake))
    )
    if not allowed.any():
        return Band(real_below=0, fake_from=1, most_wrong=promise)
    best = np.argmax(np.where(allowed, answered, -1))
    low, high = cuts[best // cuts.size], cuts[best % cuts.size]
    return Band(real_below=float(low), fake_from=float(high), most_wrong=promise)


def count_face_cut(
    is_fake: Truth, p_fake: Probabilities, face_p_fake: Probabilities, real_below: float,
    most_lost: float,
) -> float:  # fmt: skip
    """Choose from where on a face forbids to call its picture real.

    Args:
        is_fake: The truth of the pictures, shape (n,).
        p_fake: Of the pictures, calibrated, shape (n,).
        face_p_fake: The highest of each picture's faces; 0 for a picture without any.
        real_below: Below this a picture is called real.
        most_lost: Share of the real pictures that may lose their right answer by it.
    """
    right = np.sort(face_p_fake[~is_fake & (p_fake < real_below)])[::-1]
    lost = int(most_lost * np.sum(~is_fake))
    # So few have faces that none would lose its answer: an even chance decides.
    if lost >= right.size or right[lost] == 0:
        return 0.5
    # A face that would itself be called real forbids nothing.
    return min(1.0, max(real_below, float(right[lost]) + 1e-3))


def judge_band(is_fake: Truth, p_fake: Probabilities, band: Band) -> dict[str, float]:
    """Return what a band does: shares answered, wrong of those, and real pictures called fake."""
    called_real, called_fake = p_fake < band.real_below, p_fake >= band.fake_from
    answered = called_real | called_fake
    wrong: NDArray[np.bool_] = np.where(is_fake, called_real, called_fake)
    return {
        "coverage": float(answered.mean()),
        "wrong_among_answered": float(wrong.sum() / max(1, answered.sum())),
        "real_called_fake": float(called_fake[~is_fake].mean()),
    }
