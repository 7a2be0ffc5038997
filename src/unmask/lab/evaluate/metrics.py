"""Metrics of a binary detector; fake is the positive class everywhere.

``is_fake`` is bool (n,), and ``p_fake`` float (n,), higher for more likely fake. All is plain
NumPy, so that judging a model needs no more than running it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unmask.lab.evaluate.bootstrap import (
    Interval,
    Values,
    Weights,
    centred_interval,
    interval,
    members,
    share_interval,
)
from unmask.lab.evaluate.sweep import Sweep

Truth = NDArray[np.bool_]
Scores = NDArray[np.floating]

ECE_BINS = 15
_FEWEST_IN_BIN = 10
# Sweeps hold several numbers a picture and resample: so many at a time bound the memory.
_CELLS = 2_000_000


@dataclass(frozen=True, slots=True)
class Metric:
    """How a metric is shown.

    Attributes:
        title: Its name in tables.
        percent: Whether it is a share that reads best in percent.
        meaning: What it says, in words.
    """

    title: str
    percent: bool
    meaning: str


METRICS: dict[str, Metric] = {
    "accuracy": Metric("accuracy", True, "right calls among all"),
    "balanced_accuracy": Metric(
        "balanced accuracy", True, "mean of the shares of right calls among real and among fake"
    ),
    "precision": Metric("precision", True, "fakes among those called fake"),
    "recall": Metric("recall", True, "fakes called fake"),
    "f1": Metric("F1", True, "harmonic mean of precision and recall"),
    "specificity": Metric("specificity", True, "real pictures called real"),
    "fpr": Metric("FPR", True, "real pictures called fake"),
    "fnr": Metric("FNR", True, "fakes called real"),
    "auc": Metric("AUC", False, "how often a fake scores above a real one"),
    "average_precision": Metric(
        "average precision", False, "precision averaged over the fakes, each at its own score"
    ),
    "eer": Metric("EER", True, "error rate where FPR and FNR are equal"),
    "fpr_at_95_tpr": Metric(
        "FPR at 95% TPR", True, "false alarms at the threshold that finds 95% of the fakes"
    ),
    "ece": Metric("ECE", False, "how far p(fake) lies from the share of fakes, mean over bins"),
    "brier": Metric("Brier score", False, "mean squared distance of p(fake) from the truth"),
}


def auc(is_fake: Truth, p_fake: Scores) -> float:
    """Area under the ROC curve, in [0, 1]; NaN where a label is absent."""
    if p_fake.size == 0:
        return float("nan")
    return float(Sweep(is_fake, p_fake, np.ones((1, p_fake.size))).auc()[0])


def ece(is_fake: Truth, p_fake: Scores, bins: int = ECE_BINS) -> float:
    """Expected calibration error over equally filled bins; NaN without pictures."""
    if p_fake.size == 0:
        return float("nan")
    return float(_ece(is_fake, p_fake, np.ones((1, p_fake.size)), bins)[0])


def ece_by_chance(p_fake: Scores, draws: int = 200, seed: int = 0) -> float:
    """Return the ECE to expect on so many pictures if ``p_fake`` were exactly right.

    Bins of a finite number of pictures never hold just the share of fakes that they should, so that
    even a perfect p(fake) shows some error; an ECE near this value cannot be told from none.

    Args:
        p_fake: Probabilities, shape (n,), n at least 1.
        draws: Times that labels are drawn.
        seed: Of the draws.
    """
    rng = np.random.default_rng(seed)
    found = [ece(rng.random(p_fake.size) < p_fake, p_fake) for _ in range(draws)]
    return float(np.mean(found))


def calibration_bins(p_fake: Scores, bins: int = ECE_BINS) -> list[NDArray[np.int64]]:
    """Return the pictures of each bin, by rising ``p_fake``, bins as equally filled as they can be.

    Equally filled rather than equally wide, and fewer where there are few pictures, so that no bin
    rests on a handful of them.
    """
    order = np.argsort(p_fake, kind="stable")
    return np.array_split(order, max(1, min(bins, p_fake.size // _FEWEST_IN_BIN)))


def measure(
    is_fake: Truth, p_fake: Scores, threshold: float, weights: Weights
) -> dict[str, Values]:
    """Compute every metric of `METRICS` in every resample.

    Args:
        is_fake: The truth.
        p_fake: Probabilities in [0, 1].
        threshold: From this ``p_fake`` on a picture is called fake.
        weights: How often each picture was drawn.

    Returns:
        Values by the metric's name; NaN where it does not exist, for lack of a label or of calls.
    """
    called = p_fake >= threshold
    total, fakes = weights.sum(1), weights @ is_fake
    reals = total - fakes
    hits, alarms = weights @ (is_fake & called), weights @ (~is_fake & called)
    missed = fakes - hits
    both = (fakes > 0) & (reals > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        fpr, fnr = alarms / reals, missed / fakes
        found = {
            "accuracy": (hits + reals - alarms) / total,
            "balanced_accuracy": 1 - (fpr + fnr) / 2,
            "precision": np.where(both, hits / (hits + alarms), np.nan),
            "recall": hits / fakes,
            "f1": np.where(both, 2 * hits / (hits + alarms + fakes), np.nan),
            "specificity": (reals - alarms) / reals,
            "fpr": fpr,
            "fnr": fnr,
        }
        found |= _swept(is_fake, p_fake, weights)
        found["ece"] = _ece(is_fake, p_fake, weights, ECE_BINS)
        found["brier"] = weights @ (p_fake - is_fake) ** 2 / total
    return {name: found[name] for name in METRICS}


def measure_intervals(
    is_fake: Truth,
    p_fake: Scores,
    threshold: float,
    weights: Weights,
    groups: list[str],
) -> dict[str, Interval | None]:
    """Compute every metric of `METRICS` with its 95% interval; None where it does not exist.

    Args:
        is_fake: The truth.
        p_fake: Probabilities in [0, 1].
        threshold: From this ``p_fake`` on a picture is called fake.
        weights: How often each picture was drawn.
        groups: The group of each picture.
    """
    member = members(groups)
    called = p_fake >= threshold
    counted: dict[str, NDArray[np.bool_]] = {
        "accuracy": np.ones_like(is_fake),
        "precision": called,
        "recall": is_fake,
        "fnr": is_fake,
        "specificity": ~is_fake,
        "fpr": ~is_fake,
    }
    found: dict[str, Interval | None] = {}
    for name, values in measure(is_fake, p_fake, threshold, weights).items():
        if name in counted:
            found[name] = share_interval(values, np.unique(member[counted[name]]).size)
        elif name == "ece":
            moved = centred_interval(values)
            found[name] = moved and (moved[0], max(0.0, moved[1]), moved[2])
        else:
            found[name] = interval(values)
    return found


def share(weights: Weights, hits: NDArray[np.bool_]) -> Values:
    """Return the share of hits in each resample; NaN where nothing was drawn."""
    with np.errstate(invalid="ignore"):
        return np.asarray(weights @ hits / weights.sum(1), dtype=np.float64)


def _swept(is_fake: Truth, p_fake: Scores, weights: Weights) -> dict[str, Values]:
    parts = max(1, round(weights.size / _CELLS))
    sweeps = (Sweep(is_fake, p_fake, part) for part in np.array_split(weights, parts))
    found = [
        {
            "auc": sweep.auc(),
            "average_precision": sweep.average_precision(),
            "eer": sweep.equal_error_rate(),
            "fpr_at_95_tpr": sweep.fpr_at_tpr(0.95),
        }
        for sweep in sweeps
    ]
    return {name: np.concatenate([part[name] for part in found]) for name in found[0]}


def _ece(is_fake: Truth, p_fake: Scores, weights: Weights, bins: int) -> Values:
    """Adaptive ECE (Nixon et al. 2019); resamples keep the bins of the pictures themselves."""
    parts = calibration_bins(p_fake, bins)
    starts = np.cumsum([0, *(part.size for part in parts[:-1])])
    order = np.concatenate(parts)
    gaps = np.add.reduceat((weights * (p_fake - is_fake))[:, order], starts, axis=1)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.abs(gaps).sum(1) / weights.sum(1), dtype=np.float64)
