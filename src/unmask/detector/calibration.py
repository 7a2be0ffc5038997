"""Calibration: from a logit to a probability that means what it says."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field


class Calibration(BaseModel):
    """Platt scaling: ``p = sigmoid(slope * logit + offset)`` (Platt 1999).

    Attributes:
        slope: Of the logit; 1 leaves it as it is.
        offset: Added to the scaled logit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    slope: float = Field(default=1.0, gt=0)
    offset: float = 0.0

    def __call__(self, logits: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the probability of fake, in [0, 1], for logits of any shape."""
        return sigmoid(self.slope * np.asarray(logits, dtype=np.float64) + self.offset)


def fit_platt(logits: NDArray[np.floating], is_fake: NDArray[np.bool_]) -> Calibration:
    """Fit slope and offset by maximum likelihood, with Newton's method.

    Targets are smoothed as Platt (1999) proposes, which keeps the fit finite on separable data.

    Args:
        logits: Pooled fake logits of validation pictures, shape (n,).
        is_fake: Their truth, shape (n,).

    Raises:
        ValueError: One of the labels is absent.
    """
    positives = int(is_fake.sum())
    negatives = is_fake.size - positives
    if not positives or not negatives:
        raise ValueError("Calibration needs real pictures and fakes.")
    high, low = (positives + 1) / (positives + 2), 1 / (negatives + 2)
    target = np.where(is_fake, high, low)
    design = np.stack([logits.astype(np.float64), np.ones(logits.size)], axis=1)
    weights = np.array([1.0, 0.0])
    for _ in range(100):
        p = sigmoid(design @ weights)
        gradient = design.T @ (p - target)
        curvature = (design * (p * (1 - p))[:, None]).T @ design + 1e-9 * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        weights -= step
        if np.abs(step).max() < 1e-10:
            break
    # A slope of zero or less would say that higher logits are no more often fake.
    return Calibration(slope=max(float(weights[0]), 1e-3), offset=float(weights[1]))


def sigmoid(x: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the logistic function without overflow."""
    return 0.5 * (1.0 + np.tanh(0.5 * np.asarray(x, dtype=np.float64)))


def softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the softmax over the last axis."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True), dtype=np.float64)
