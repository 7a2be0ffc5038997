"""Judge a detector on one split of a manifest."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unmask.data.manifest import Row
from unmask.detector.card import Figure, ModelCard
from unmask.detector.detector import Detector
from unmask.evaluation import metrics
from unmask.evaluation.bootstrap import Interval, interval, resample, share
from unmask.evaluation.slices import figures
from unmask.verdict.verdict import Verdict

PREDICTIONS = (
    "path", "label", "generator", "source", "category", "verdict", "p_fake", "said_category",
    "category_confidence",
)  # fmt: skip


@dataclass(frozen=True)
class Evaluation:
    """What a detector answered on a split, and how good that is.

    Attributes:
        card: Of the model.
        answered: Rows that could be read, and the verdict on each.
        unreadable: Verdicts with an error.
        figures: Of every slice.
        ece: Expected calibration error, in [0, 1].
        brier: Brier score, in [0, 1].
        coverage: Share of pictures that are not ``unsure``.
        wrong: Share of wrong verdicts among those; None where all are ``unsure``.
        category_accuracy: Share of labelled pictures whose category is right, ``other`` being
            wrong; None where no picture has a category.
    """

    card: ModelCard
    answered: list[tuple[Row, Verdict]]
    unreadable: list[Verdict]
    figures: list[Figure]
    ece: float
    brier: float
    coverage: Interval
    wrong: Interval | None
    category_accuracy: Interval | None


def evaluate(
    detector: Detector,
    rows: Sequence[Row],
    *,
    resamples: int = 1000,
    on_progress: Callable[[int], None] = lambda count: None,
) -> Evaluation:
    """Answer for every row and compare with its label.

    Args:
        detector: With the card's band, not with a threshold of its own.
        rows: The pictures of one split.
        resamples: Of the bootstrap over groups.
        on_progress: Called with the number of pictures just done.

    Raises:
        ValueError: No picture could be read.
    """
    answered: list[tuple[Row, Verdict]] = []
    unreadable: list[Verdict] = []
    verdicts = detector.detect_many(row.path for row in rows)
    for row, verdict in zip(rows, verdicts, strict=True):
        if verdict.error is None:
            answered.append((row, verdict))
        else:
            unreadable.append(verdict)
        on_progress(1)
    if not answered:
        raise ValueError(f"No picture could be read; the first: {unreadable[0].error}")
    kept = [row for row, _ in answered]
    card = detector.model.card
    p_fake = np.array([verdict.p_fake for _, verdict in answered], dtype=np.float64)
    is_fake = np.array([row.is_fake for row in kept])
    calls = np.array([verdict.verdict for _, verdict in answered])
    labels = np.array([row.label for row in kept])
    weights = resample([row.group for row in kept], resamples)
    sure = calls != "unsure"
    coverage = interval(share(weights, sure))
    assert coverage is not None  # noqa: S101  (some picture was read)
    return Evaluation(
        card=card,
        answered=answered,
        unreadable=unreadable,
        figures=figures(kept, p_fake, card.threshold, resamples),
        ece=metrics.ece(is_fake, p_fake),
        brier=metrics.brier(is_fake, p_fake),
        coverage=coverage,
        wrong=interval(share(weights[:, sure], (calls != labels)[sure])),
        category_accuracy=_category_accuracy(answered, weights),
    )


def _category_accuracy(
    answered: list[tuple[Row, Verdict]], weights: NDArray[np.float64]
) -> Interval | None:
    labelled = np.array([bool(row.category) for row, _ in answered])
    hits = np.array([row.category == verdict.category for row, verdict in answered])
    return interval(share(weights[:, labelled], hits[labelled]))


def write_predictions(evaluation: Evaluation, path: Path) -> None:
    """Write a row a picture, for whoever wants to check the figures."""
    with path.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(PREDICTIONS)
        for row, verdict in evaluation.answered:
            said = verdict.to_row()
            writer.writerow(
                [row.path, row.label, row.generator, row.source, row.category]
                + [said[k] for k in ("verdict", "p_fake", "category", "category_confidence")]
            )
