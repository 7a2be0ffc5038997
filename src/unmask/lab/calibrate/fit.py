"""Fit calibrations: from pooled fake logits to probabilities."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from unmask.model.calibration import Beta, Isotonic, Logits, Platt, beta_features, sigmoid

Truth = NDArray[np.bool_]


def fit_platt(logits: Logits, is_fake: Truth) -> Platt:
    """Fit slope and offset by maximum likelihood, with Newton's method.

    Targets are smoothed as Platt (1999) proposes, which keeps the fit finite on separable data.

    Args:
        logits: Pooled fake logits of validation pictures, shape (n,).
        is_fake: Their truth, shape (n,).

    Raises:
        ValueError: One of the labels is absent.
    """
    design = np.stack([np.asarray(logits, dtype=np.float64), np.ones(len(logits))], axis=1)
    slope, offset = _newton(design, _smoothed(is_fake))
    return Platt(slope=_rising(slope), offset=offset)


def fit_temperature(logits: Logits, is_fake: Truth) -> Platt:
    """Fit a temperature alone (Guo et al. 2017); arguments and errors as for `fit_platt`."""
    design = np.asarray(logits, dtype=np.float64)[:, None]
    (slope,) = _newton(design, _smoothed(is_fake))
    return Platt(slope=_rising(slope))


def fit_isotonic(logits: Logits, is_fake: Truth) -> Isotonic:
    """Fit a rising line (Zadrozny and Elkan 2002); arguments and errors as for `fit_platt`."""
    from sklearn.isotonic import IsotonicRegression

    _smoothed(is_fake)
    fit = IsotonicRegression(y_min=0.0, y_max=1.0).fit(logits, is_fake)
    # A probability of exactly 0 or 1 would claim more than any finite sample can tell.
    floor = 1 / (len(logits) + 2)
    return Isotonic(
        logits=tuple(float(x) for x in fit.X_thresholds_),
        probabilities=tuple(float(y) for y in np.clip(fit.y_thresholds_, floor, 1 - floor)),
    )


def fit_beta(logits: Logits, is_fake: Truth) -> Beta:
    """Fit beta calibration (Kull et al. 2017); arguments and errors as for `fit_platt`.

    A slope that would come out negative, so that p(fake) would fall somewhere while the logit
    rises, is held at zero.
    """
    low, high = beta_features(logits)
    target = _smoothed(is_fake)
    used = [True, True]
    for _ in used:
        columns = [column for column, use in zip((low, high), used, strict=True) if use]
        *slopes, offset = _newton(np.stack([*columns, np.ones_like(low)], axis=1), target)
        if min(slopes, default=0.0) >= 0:
            break
        negative = int(np.argmin(slopes))
        used[np.flatnonzero(used)[negative]] = False
    found = iter(slopes)
    below, above = (max(0.0, next(found)) if use else 0.0 for use in used)
    return Beta(below=below, above=above, offset=offset)


def fit_stack(logits: Logits, is_fake: Truth) -> tuple[list[float], float]:
    """Fit how much each model of an ensemble counts, by logistic regression on their logits.

    A model whose weight would be negative is left out, for no detector is right by being wrong.

    Args:
        logits: Pooled fake logits of validation pictures, shape (n, models).
        is_fake: Their truth.

    Returns:
        The weight of each model, 0 or more, and the offset.

    Raises:
        ValueError: One of the labels is absent.
    """
    target = _smoothed(is_fake)
    used = list(range(logits.shape[1]))
    while True:
        columns = np.asarray(logits, dtype=np.float64)[:, used]
        *found, offset = _newton(np.hstack([columns, np.ones((len(columns), 1))]), target)
        if min(found) >= 0 or len(used) == 1:
            break
        used.pop(int(np.argmin(found)))
    weights = np.zeros(logits.shape[1])
    weights[used] = np.maximum(found, 0.0)
    return [float(weight) for weight in weights], offset


def _smoothed(is_fake: Truth) -> NDArray[np.float64]:
    positives = int(is_fake.sum())
    negatives = is_fake.size - positives
    if not positives or not negatives:
        raise ValueError("Calibration needs real pictures and fakes.")
    return np.where(is_fake, (positives + 1) / (positives + 2), 1 / (negatives + 2))


def _newton(design: NDArray[np.float64], target: NDArray[np.float64]) -> list[float]:
    """Fit a logistic regression without regularisation to targets in (0, 1)."""
    weights = np.zeros(design.shape[1])
    for _ in range(100):
        p = sigmoid(design @ weights)
        curvature = (design * (p * (1 - p))[:, None]).T @ design
        step = np.linalg.solve(curvature + 1e-9 * np.eye(weights.size), design.T @ (p - target))
        weights -= step
        if np.abs(step).max() < 1e-10:
            break
    return [float(weight) for weight in weights]


def _rising(slope: float) -> float:
    # A slope of zero or less would say that higher logits are no more often fake.
    return max(slope, 1e-3)
