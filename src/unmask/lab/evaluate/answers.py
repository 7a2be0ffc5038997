"""What a detector answered on labelled pictures, whether it ran just now or left a file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from unmask.detector.detector import Detector
from unmask.lab.data.manifest import Label, Row
from unmask.lab.files import write_csv
from unmask.verdict.verdict import Verdict

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


def collect_answers(
    detector: Detector,
    rows: Sequence[Row],
    on_progress: Callable[[int], None] = lambda count: None,
) -> Answers:
    """Let a detector answer for every picture.

    Args:
        detector: The detector.
        rows: The pictures.
        on_progress: Called with the number of pictures just done.
    """
    read: list[tuple[Row, Verdict]] = []
    unreadable = []
    verdicts = detector.detect_many(row.path for row in rows)
    for row, verdict in zip(rows, verdicts, strict=True):
        if verdict.error is not None:
            unreadable.append((row, verdict.error))
        else:
            read.append((row, verdict))
        on_progress(1)
    told = bool(detector.model.card.categories)
    return Answers(
        rows=[row for row, _ in read],
        p_fake=np.array([verdict.p_fake for _, verdict in read], dtype=np.float64),
        verdicts=[verdict.verdict or "" for _, verdict in read],
        categories=[(verdict.category or "") * told for _, verdict in read],
        likeliest=[verdict.likeliest for _, verdict in read],
        unreadable=unreadable,
    )


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
    correct = (answers.p_fake >= threshold) == answers.is_fake
    lines: list[list[object]] = [
        [
            *_known(row), answers.categories[place], answers.likeliest[place],
            float(answers.p_fake[place]), answers.verdicts[place], int(correct[place]), "",
        ]
        for place, row in enumerate(answers.rows)
    ]  # fmt: skip
    lines += [[*_known(row), "", "", "", "", "", error] for row, error in answers.unreadable]
    write_csv(path, COLUMNS, lines)


def _known(row: Row) -> list[str]:
    return [str(row.path), row.label, row.generator, row.source, row.category]
