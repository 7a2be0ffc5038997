"""Calibration at run time: from a logit to a probability that means what it says."""

from __future__ import annotations

from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

Logits = NDArray[np.floating]
Probabilities = NDArray[np.float64]


class Platt(BaseModel):
    """Platt scaling: ``p = sigmoid(slope * logit + offset)`` (Platt 1999).

    With ``offset`` 0 it is temperature scaling (Guo et al. 2017), the temperature being
    ``1 / slope``; as it is by default it leaves the network's own probability.

    Attributes:
        slope: Of the logit.
        offset: Added to the scaled logit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["platt"] = "platt"
    slope: float = Field(default=1.0, gt=0)
    offset: float = 0.0

    def __call__(self, logits: Logits) -> Probabilities:
        """Return the probability of fake, in [0, 1], for logits of any shape."""
        return sigmoid(self.slope * np.asarray(logits, dtype=np.float64) + self.offset)

    def logit(self, p_fake: float) -> float:
        """Return the logit that this calibration turns into ``p_fake``."""
        p = min(max(p_fake, 1e-12), 1 - 1e-12)
        return float((np.log(p / (1 - p)) - self.offset) / self.slope)


class Beta(BaseModel):
    """Beta calibration (Kull et al. 2017): Platt scaling whose slope differs between the sides.

    ``p = sigmoid(below * ln(q) - above * ln(1 - q) + offset)``, ``q`` being the network's own
    probability: a slope for logits far below zero, one for those far above, and a smooth change
    between. With both the same it is Platt scaling.

    Attributes:
        below: Slope for very negative logits.
        above: Slope for very positive ones.
        offset: Added.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["beta"] = "beta"
    below: float = Field(ge=0)
    above: float = Field(ge=0)
    offset: float

    def __call__(self, logits: Logits) -> Probabilities:
        """Return the probability of fake, in [0, 1], for logits of any shape."""
        low, high = beta_features(logits)
        return sigmoid(self.below * low + self.above * high + self.offset)


def beta_features(logits: Logits) -> tuple[Probabilities, Probabilities]:
    """Return ``ln(q)`` and ``-ln(1 - q)`` of the network's own probability ``q``."""
    x = np.asarray(logits, dtype=np.float64)
    return -np.logaddexp(0.0, -x), np.logaddexp(0.0, x)


class Isotonic(BaseModel):
    """Isotonic calibration: a rising line through knots (Zadrozny and Elkan 2002).

    Attributes:
        logits: Where the knots lie, rising.
        probabilities: What they are turned into, never falling; flat beyond the ends.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["isotonic"] = "isotonic"
    logits: tuple[float, ...] = Field(min_length=1)
    probabilities: tuple[float, ...]

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(self.logits) != len(self.probabilities):
            raise ValueError("as many probabilities as logits are needed")
        if np.any(np.diff(self.logits) <= 0) or np.any(np.diff(self.probabilities) < 0):
            raise ValueError("the knots must rise")
        if not 0 <= self.probabilities[0] <= self.probabilities[-1] <= 1:
            raise ValueError("probabilities lie between 0 and 1")
        return self

    def __call__(self, logits: Logits) -> Probabilities:
        """Return the probability of fake, in [0, 1], for logits of any shape."""
        return np.asarray(np.interp(logits, self.logits, self.probabilities), dtype=np.float64)


Calibration = Annotated[Platt | Isotonic | Beta, Field(discriminator="kind")]
CalibrationName = Literal["platt", "isotonic", "temperature", "beta", "none"]
"""What a user can switch to; ``temperature`` is a `Platt` without offset, ``none`` one without
slope either."""


def sigmoid(x: Logits) -> Probabilities:
    """Return the logistic function without overflow."""
    return 0.5 * (1.0 + np.tanh(0.5 * np.asarray(x, dtype=np.float64)))


def softmax(logits: Logits) -> Probabilities:
    """Return the softmax over the last axis."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True), dtype=np.float64)
