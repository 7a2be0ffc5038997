"""The threshold at which errors cost least."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unmask.lab.evaluate.answers import Answers
from unmask.lab.evaluate.bootstrap import Interval, resample
from unmask.lab.evaluate.metrics import measure_intervals
from unmask.lab.evaluate.sweep import Sweep


@dataclass(frozen=True, slots=True)
class ErrorRates:
    """What one threshold does on the judged pictures.

    Attributes:
        threshold: From this ``p_fake`` on a picture is called fake.
        fpr: Share of real pictures called fake.
        fnr: Share of fakes called real.
        cost: Mean cost of a picture, in the unit in which the costs were given.
    """

    threshold: float
    fpr: Interval
    fnr: Interval
    cost: float


@dataclass(frozen=True, slots=True)
class Costs:
    """The cheapest threshold on the validation split, and what it does on the judged one.

    Attributes:
        fp: Cost of calling a real picture fake.
        fn: Cost of calling a fake real.
        pictures: Number of validation pictures by which the threshold was chosen.
        before: At the model's own threshold.
        after: At the chosen one.
    """

    fp: float
    fn: float
    pictures: int
    before: ErrorRates
    after: ErrorRates


def check_costs(fp: float, fn: float) -> tuple[float, float]:
    """Return the costs of the two errors, checked.

    Raises:
        ValueError: One is negative or no number, or both are 0.
    """
    if not (np.isfinite([fp, fn]).all() and min(fp, fn) >= 0 and max(fp, fn) > 0):
        raise ValueError("The costs of errors must be 0 or more, and one of them more than 0.")
    return fp, fn


def weigh_costs(
    chosen_on: Answers,
    judged: Answers,
    threshold: float,
    prices: tuple[float, float],
    resamples: int,
) -> Costs:
    """Choose the cheapest threshold on validation, and see what it does to the judged pictures.

    Args:
        chosen_on: Answers on the validation split.
        judged: Answers on the judged split.
        threshold: The one without costs.
        prices: Cost of calling a real picture fake, and of calling a fake real.
        resamples: Of the bootstrap over groups.
    """
    fp, fn = prices
    cheapest = cheapest_threshold(chosen_on, fp, fn, threshold)
    return Costs(
        fp=fp,
        fn=fn,
        pictures=len(chosen_on.rows),
        before=_rates(judged, threshold, fp, fn, resamples),
        after=_rates(judged, cheapest, fp, fn, resamples),
    )


def cheapest_threshold(answers: Answers, fp: float, fn: float, default: float) -> float:
    """Return the threshold at which the errors cost least in total.

    Thresholds between two neighbouring scores do the same and are tried at their middle; of equally
    cheap ones the nearest to ``default`` is taken. Over 1 it calls nothing fake.
    """
    sweep = Sweep(answers.is_fake, answers.p_fake, np.ones((1, len(answers.rows))))
    scores = sweep.thresholds
    none = (scores[0] + 1) / 2 if scores[0] < 1 else np.nextafter(1.0, 2.0)
    tried = np.array([none, *((scores[:-1] + scores[1:]) / 2), 0.0])
    missed = sweep.hits[0, -1] - sweep.hits[0]
    cost = fp * sweep.alarms[0] + fn * missed
    cheap = tried[cost <= cost.min() * (1 + 1e-12)]
    return float(cheap[np.argmin(np.abs(cheap - default))])


def _rates(answers: Answers, threshold: float, fp: float, fn: float, resamples: int) -> ErrorRates:
    groups = [row.group for row in answers.rows]
    found = measure_intervals(
        answers.is_fake, answers.p_fake, threshold, resample(groups, resamples), groups
    )
    fpr, fnr = found["fpr"], found["fnr"]
    assert fpr is not None and fnr is not None  # noqa: S101  (both labels are there)
    called = answers.p_fake >= threshold
    alarms, missed = np.sum(called & ~answers.is_fake), np.sum(~called & answers.is_fake)
    return ErrorRates(threshold, fpr, fnr, float(fp * alarms + fn * missed) / len(answers.rows))
