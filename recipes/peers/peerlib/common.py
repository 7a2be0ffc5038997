"""What every peer is given and gives back."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unmask.lab.data.manifest import Row
from unmask.lab.evaluate.metrics import auc

TIMED = 40
Answer = Callable[[Path], float]
"""From a picture's file to p(fake)."""


@dataclass(frozen=True)
class Data:
    """A manifest's rows by split, and what training may cost.

    Attributes:
        train: To learn from.
        val: To choose by.
        test: To answer.
        cpu_minutes: CPU time that the training of both networks may take, in minutes.
    """

    train: Sequence[Row]
    val: Sequence[Row]
    test: Sequence[Row]
    cpu_minutes: float


@dataclass(frozen=True)
class Outcome:
    """A peer's answers.

    Attributes:
        p_fake: One a test picture, in [0, 1].
        milliseconds: CPU time of one picture on one core, file to answer, the median of some.
        megabytes: Of what has to be kept to answer.
        notes: What else to know, by name.
    """

    p_fake: Sequence[float]
    milliseconds: float
    megabytes: float
    notes: dict[str, float | str] = field(default_factory=dict)


def truth(rows: Sequence[Row]) -> NDArray[np.bool_]:
    """Return which pictures are fakes, shape (n,)."""
    return np.array([row.is_fake for row in rows])


def val_auc(data: Data, p_fake: NDArray[np.floating]) -> float:
    """Return the AUC on the validation pictures."""
    return auc(truth(data.val), p_fake)


def milliseconds(answer: Answer, rows: Sequence[Row]) -> float:
    """Measure the CPU time of a picture on one core; other work on the machine does not count.

    Args:
        answer: Read, prepare and answer for one file.
        rows: Pictures; `TIMED` of them, spread evenly, are used.
    """
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        chosen = rows[:: max(1, len(rows) // TIMED)]
        for row in chosen[:5]:
            answer(row.path)
        times = []
        for row in chosen:
            started = time.process_time()
            answer(row.path)
            times.append(1000 * (time.process_time() - started))
    finally:
        os.sched_setaffinity(0, cores)
    return statistics.median(times)
