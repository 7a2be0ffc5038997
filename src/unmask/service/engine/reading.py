"""Read an answer's logits with a calibration and a threshold, as the card says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unmask.model.calibration import Calibration, CalibrationName, softmax
from unmask.model.card import ModelCard
from unmask.verdict.verdict import CATEGORY_OTHER, Call

UNCALIBRATED = "none"


@dataclass(frozen=True, slots=True)
class Reading:
    """What logits mean.

    Attributes:
        verdict: ``real``, ``fake`` or ``unsure``.
        p_fake: Probability in [0, 1] that the picture was made or altered by AI.
        real_below: Under this ``p_fake`` the verdict is real...
        fake_from: ...and from this one on fake.
        category: ``human_faces``, ``animals``, ``vehicles`` or ``other``.
        category_confidence: Probability in [0, 1] of the likeliest category.
    """

    verdict: Call
    p_fake: float
    real_below: float
    fake_from: float
    category: str
    category_confidence: float


def read(
    card: ModelCard,
    fake_logits: NDArray[np.float32],
    category_logits: NDArray[np.float32],
    calibration: CalibrationName | None = None,
    threshold: float | None = None,
) -> Reading:
    """Read one picture's answer.

    Args:
        card: Of the model that answered.
        fake_logits: One for each view, shape (views,).
        category_logits: Shape (views, categories).
        calibration: None is the card's own, ``none`` the network's uncalibrated probability.
        threshold: Call everything from this ``p_fake`` on fake and the rest real, and nothing
            ``unsure``; None for the card's band, which is carried over to the calibration: a
            picture is called the same whatever the calibration.

    Raises:
        ModelError: The card has no such calibration.
    """
    calibrate = card.calibration_by(calibration)
    fake, category = pool(fake_logits), pool(category_logits)
    p_fake = float(calibrate(fake))
    if threshold is None:
        # Decided where the band was chosen, on the card's own calibration.
        p_on_card = float(card.calibration(fake))
        real_below, fake_from = card.real_below, card.fake_from
    else:
        p_on_card, real_below, fake_from = p_fake, threshold, threshold
    verdict: Call = (
        "fake" if p_on_card >= fake_from else "real" if p_on_card < real_below else "unsure"
    )
    if threshold is None and calibrate is not card.calibration:
        real_below, fake_from = band_on(card, calibrate)
    # A model that tells no categories says other.
    shares = softmax(category) if card.categories else np.zeros(1)
    likeliest = int(shares.argmax())
    confidence = float(shares[likeliest])
    named = card.categories and confidence >= card.category_cut
    return Reading(
        verdict=verdict,
        p_fake=p_fake,
        real_below=real_below,
        fake_from=fake_from,
        category=card.categories[likeliest] if named else CATEGORY_OTHER,
        category_confidence=confidence,
    )


def band_on(card: ModelCard, calibrate: Calibration) -> tuple[float, float]:
    """Return the card's band, carried over to another calibration of its own."""
    if calibrate is card.calibration:
        return card.real_below, card.fake_from
    ends = [logit_at(card.calibration, end) for end in (card.real_below, card.fake_from)]
    real_below, fake_from = calibrate(np.array(ends)).tolist()
    return real_below, fake_from


def logit_at(calibration: Calibration, p_fake: float) -> float:
    """Return the smallest logit, within 50 of zero, that a calibration turns into ``p_fake``."""
    low, high = -50.0, 50.0
    for _ in range(60):
        middle = (low + high) / 2
        if float(calibration(np.array(middle))) < p_fake:
            low = middle
        else:
            high = middle
    return high


def pool(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mean over views (the first axis), summed as `Model.answer` does, to the bit."""
    total = np.add.reduceat(logits, [0], axis=0)[0]
    return np.asarray(total / np.int64(len(logits)), dtype=np.float32)
