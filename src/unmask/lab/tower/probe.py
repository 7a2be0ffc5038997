"""Fit the linear head on what the tower sees, and weigh it against the network beside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from unmask.lab.data.manifest import Row
from unmask.lab.tower.features import TowerFeatures
from unmask.lab.train.pseudo import is_pseudo

STRENGTH = 0.01
"""Inverse strength of the head's L2 penalty."""
PSEUDO_FAKES_COUNT = 0.25
"""How much a pseudo-fake counts beside a fake of a source of that size (docs/experiments.md)."""


@dataclass(frozen=True)
class LinearHead:
    """``features @ weights + bias``, positive for fake."""

    weights: NDArray[np.float32]
    bias: float

    def __call__(self, features: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return logits, of shape (n,), for features of shape (n, channels)."""
        return features.astype(np.float32) @ self.weights + np.float32(self.bias)


def row_weights(rows: Sequence[Row]) -> NDArray[np.float64]:
    """Weigh pictures as training draws them: labels alike, sources by the root of their size.

    Pseudo-fakes count as a source of their own, by `PSEUDO_FAKES_COUNT`.
    """
    cells = Counter((row.label, row.source) for row in rows)
    weights = np.array(
        [
            cells[row.label, row.source] ** -0.5 * (PSEUDO_FAKES_COUNT if is_pseudo(row) else 1)
            for row in rows
        ]
    )
    is_fake = np.array([row.is_fake for row in rows])
    for label in (is_fake, ~is_fake):
        weights[label] /= weights[label].sum()
    return np.asarray(weights * len(rows) / 2, dtype=np.float64)


def fit_head(features: TowerFeatures, strength: float) -> LinearHead:
    """Fit a logistic regression to all versions of training pictures.

    Args:
        features: Of the pictures; clean versions count as much as all degraded ones together.
        strength: Inverse strength of the L2 penalty, on standardised features.
    """
    _, versions, channels = features.values.shape
    flat = features.values.reshape(-1, channels).astype(np.float32)
    mean, scale = flat.mean(0), flat.std(0) + 1e-6
    share = np.full(versions, 0.5 / max(1, versions - 1))
    share[0] = 0.5 if versions > 1 else 1.0
    weights = np.outer(row_weights(features.rows), share).ravel()
    truth = np.repeat([row.is_fake for row in features.rows], versions)
    model = LogisticRegression(C=strength, max_iter=200, tol=1e-3)
    model.fit((flat - mean) / scale, truth, sample_weight=weights)
    inner = (model.coef_[0] / scale).astype(np.float32)
    return LinearHead(inner, float(model.intercept_[0] - mean @ inner))


def weigh(
    own: NDArray[np.floating], network: NDArray[np.floating], rows: Sequence[Row]
) -> tuple[float, float, float]:
    """Weigh two logits by a logistic regression on validation pictures.

    Args:
        own: The head's logits, shape (n,).
        network: The network's logits, shape (n,).
        rows: The validation pictures.

    Returns:
        Factors of the head's and the network's logit, neither below zero, and a bias.
    """
    both = np.stack([own, network], 1).astype(np.float64)
    truth = np.array([row.is_fake for row in rows])
    model = LogisticRegression(C=1e6).fit(both, truth, sample_weight=row_weights(rows))
    first, second = (max(0.0, float(factor)) for factor in model.coef_[0])
    return first, second, float(model.intercept_[0])
