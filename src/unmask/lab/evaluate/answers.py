"""What a detector answered on labelled pictures, whether it ran just now or left a file."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from unmask.detector.detector import Detector
from unmask.lab.data.manifest import Label, Row
from unmask.verdict.verdict import CATEGORY_OTHER

COLUMNS = (
    "path", "label", "generator", "source", "true_category", "category", "likeliest_category",
    "p_fake", "verdict", "correct", "error",
)  # fmt: skip


@dataclass(frozen=True)
class Answers:
    """Answers on the pictures of a split; the sequences run over those that could be read.

    Attributes:
        rows: The pictures.
        p_fake: Their probabilities, in [0, 1], shape (n,).
        verdicts: ``real``, ``fake`` or ``unsure``.
        categories: What each was said to show, which may be ``other``; empty where nothing was.
        likeliest: The likeliest category, before the cut that makes it ``other``; empty where it
            is unknown.
        unreadable: The pictures that could not be read, and why.
    """

    rows: list[Row]
    p_fake: NDArray[np.float64]
    verdicts: list[str]
    categories: list[str]
    likeliest: list[str]
    unreadable: list[tuple[Row, str]]

    @property
    def is_fake(self) -> NDArray[np.bool_]:
        """The truth, shape (n,)."""
        return np.array([row.is_fake for row in self.rows], dtype=bool)


def ask(
    detector: Detector,
    rows: Sequence[Row],
    on_progress: Callable[[int], None] = lambda count: None,
) -> Answers:
    """Let a detector answer for every picture.

    Args:
        detector: With the card's band, not with a threshold of its own.
        rows: The pictures.
        on_progress: Called with the number of pictures just done.
    """
    cut = detector.model.card.category_cut
    read: list[Row] = []
    p_fake: list[float] = []
    verdicts: list[str] = []
    categories: list[str] = []
    likeliest: list[str] = []
    unreadable = []
    answers = _without_cut(detector).detect_many(row.path for row in rows)
    for row, answer in zip(rows, answers, strict=True):
        if answer.error is not None:
            unreadable.append((row, answer.error))
        else:
            sure = (answer.category_confidence or 0) >= cut
            read.append(row)
            p_fake.append(answer.p_fake or 0.0)
            verdicts.append(answer.verdict or "")
            likeliest.append(answer.category or "")
            categories.append(likeliest[-1] if sure else CATEGORY_OTHER)
        on_progress(1)
    return Answers(read, np.array(p_fake), verdicts, categories, likeliest, unreadable)


def check_labels(rows: Sequence[Row], where: str) -> None:
    """Check that there are pictures of both labels.

    Args:
        rows: The pictures.
        where: Which pictures these are, in words, as in ``the split 'test'``.

    Raises:
        ValueError: There are not.
    """
    labels = {row.label for row in rows}
    for label in get_args(Label):
        if label not in labels:
            raise ValueError(f"There is no {label} picture in {where}; both labels are needed.")


def check_answered(answers: Answers, where: str) -> None:
    """Check that there are answers on pictures of both labels.

    Args:
        answers: The answers.
        where: Which pictures these are, in words, as in ``the split 'test'``.

    Raises:
        ValueError: There are not.
    """
    if not answers.rows:
        row, why = answers.unreadable[0]
        raise ValueError(f"No picture of {where} could be read; the first, {row.path}: {why}")
    check_labels(answers.rows, f"what could be read of {where}")


def write_answers(answers: Answers, threshold: float, path: Path) -> None:
    """Write a row a picture; `read_predictions` reads it back.

    ``correct`` is 1 where the call at the threshold, which is never ``unsure``, is right.
    """
    # surrogateescape: a file name that is not UTF-8 is written byte for byte.
    with path.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        correct = (answers.p_fake >= threshold) == answers.is_fake
        for place, row in enumerate(answers.rows):
            said = [
                answers.categories[place], answers.likeliest[place],
                float(answers.p_fake[place]), answers.verdicts[place], int(correct[place]), "",
            ]  # fmt: skip
            writer.writerow([*_known(row), *said])
        for row, error in answers.unreadable:
            writer.writerow([*_known(row), "", "", "", "", "", error])


def _known(row: Row) -> list[str]:
    return [str(row.path), row.label, row.generator, row.source, row.category]


def _without_cut(detector: Detector) -> Detector:
    """Return the detector with no cut on the category, for the likeliest under ``other`` counts."""
    asked = copy(detector)
    asked.model = copy(detector.model)
    asked.model.card = detector.model.card.model_copy(update={"category_cut": 0.0})
    return asked
