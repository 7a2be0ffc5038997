"""The floors that a model has to stand on where it has never seen a generator or source."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from unmask.lab.evaluate.bootstrap import Interval
from unmask.lab.evaluate.wording import FEW
from unmask.lab.left_out.results import PartResult

MEAN_AUC, WORST_AUC, MOST_FPR, MOST_ECE = 0.78, 0.62, 0.08, 0.08
"""Least mean and least AUC of what was left out; largest mean share of a left-out source's real
pictures that is called fake; largest mean ECE."""

Read = Callable[[PartResult], Interval | None]


@dataclass(frozen=True)
class Floor:
    """One floor, and whether it was met.

    Attributes:
        what: The figure in words.
        floor: The least or most that it may be.
        least: Whether it has to reach the floor, and not to stay under it.
        found: The figure.
        rows: Generators or sources that it is the mean, or the worst, of.
        passing: So many of them meet the floor by themselves.
        share: Whether it is a share that reads best in percent.
    """

    what: str
    floor: float
    least: bool
    found: float
    rows: int
    passing: int
    share: bool = False

    @property
    def met(self) -> bool:
        """Whether the figure itself is on the right side of the floor."""
        return _meets(self.found, self.floor, least=self.least)


def floors(kind: Literal["generator", "source"], parts: Sequence[PartResult]) -> list[Floor]:
    """Hold what was found against the floors; one without a figure to judge is left out.

    Rows with fewer than `FEW` pictures of a label that counts are in no mean.

    Args:
        kind: What was left out. False alarms are judged of sources alone: a generator that is left
            out leaves the real pictures of its sources in training.
        parts: The figures of what was left out.
    """
    auc = _values(parts, lambda part: part.auc, lambda part: min(part.real, part.fake))
    fpr = _values(parts, lambda part: part.fpr, lambda part: part.real)
    verdicts = _values(parts, lambda part: part.fake_verdicts, lambda part: part.real)
    ece = _values(parts, lambda part: part.ece, lambda part: part.real + part.fake)
    found = []
    if auc:
        found.append(_floor("AUC, mean", MEAN_AUC, float(np.mean(auc)), auc, least=True))
        found.append(_floor("AUC, worst", WORST_AUC, min(auc), auc, least=True))
    if kind == "source":
        for what, values in (("FPR", fpr), ("fake verdicts", verdicts)):
            if values:
                mean = float(np.mean(values))
                named = f"{what} on real pictures of the left-out source, mean"
                found.append(_floor(named, MOST_FPR, mean, values, least=False, share=True))
    if ece:
        found.append(_floor("ECE, mean", MOST_ECE, float(np.mean(ece)), ece, least=False))
    return found


def _values(
    parts: Sequence[PartResult], read: Read, count: Callable[[PartResult], int]
) -> list[float]:
    found = [read(part) for part in parts if count(part) >= FEW]
    return [value[0] for value in found if value is not None]


def _floor(
    what: str, floor: float, found: float, values: list[float], *, least: bool, share: bool = False
) -> Floor:
    passing = sum(_meets(value, floor, least=least) for value in values)
    return Floor(what, floor, least, found, len(values), passing, share)


def _meets(value: float, floor: float, *, least: bool) -> bool:
    return value >= floor if least else value <= floor
