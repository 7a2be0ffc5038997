"""Judge answers on one split of a manifest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from unmask.lab.evaluate.answers import Answers
from unmask.lab.evaluate.bootstrap import Interval, Weights, resample
from unmask.lab.evaluate.file_bands import read_bands
from unmask.lab.evaluate.slices import IN_CARD, SliceFigures, share_among, slice_figures, slices
from unmask.model.card import Figure, Unseen


@dataclass(frozen=True, slots=True)
class Subject:
    """What is judged.

    Attributes:
        name: Of the model, or of the file of predictions.
        sha256: Of the ONNX file, or of the file of predictions.
        created: ISO date of the model's export; empty for predictions.
        threshold: From this ``p_fake`` on a picture is called fake.
        has_unsure: Whether the subject can answer ``unsure``.
        promise: The share of wrong answers among the answered that the model keeps to; None where
            it promises nothing.
    """

    name: str
    sha256: str
    created: str
    threshold: float
    has_unsure: bool
    promise: float | None


@dataclass(frozen=True)
class Evaluation:
    """How good answers are.

    Attributes:
        subject: What is judged.
        split: ``train``, ``val`` or ``test``.
        answers: What was answered.
        slices: Figures of every slice, the first of all pictures.
        category: Share of pictures with a known category that was said; ``other`` is wrong. None
            where no picture has one or none was said.
        likeliest: The same before the cut that makes a category ``other``.
        unseen: Generators of this split that have no picture in the manifest's training split.
        resamples: Of the bootstrap over groups.
        weights: How often each answered picture was drawn in them.
    """

    subject: Subject
    split: str
    answers: Answers
    slices: list[SliceFigures]
    category: Interval | None
    likeliest: Interval | None
    unseen: list[str]
    resamples: int
    weights: Weights

    @property
    def overall(self) -> SliceFigures:
        """The figures of all pictures."""
        return self.slices[0]

    def card_figures(self) -> tuple[Figure, ...]:
        """Return what a model card keeps."""
        return tuple(one.figure() for one in self.slices if one.slice.kind in IN_CARD)

    def unseen_figures(self) -> Unseen:
        """Return what a model card keeps where no generator was trained on."""
        overall, rows = self.overall, self.answers.rows
        auc, fpr, fnr = (overall.metrics[name] for name in ("auc", "fpr", "fnr"))
        assert auc and fpr and fnr  # noqa: S101  (answers have both labels)
        return Unseen(
            generators=len({row.generator for row in rows if row.is_fake}),
            real=overall.real,
            fake=overall.fake,
            auc=auc,
            fpr=fpr,
            fnr=fnr,
            answered=overall.answered,
            wrong=overall.wrong,
        )


def evaluate(
    answers: Answers,
    subject: Subject,
    *,
    split: str = "test",
    trained_on: frozenset[str] = frozenset(),
    resamples: int = 1000,
    on_progress: Callable[[int], None] = lambda count: None,
) -> Evaluation:
    """Compare answers with labels, slice by slice.

    Args:
        answers: At least one on either label.
        subject: What is judged.
        split: ``train``, ``val`` or ``test``.
        trained_on: Generators in the manifest's training split.
        resamples: Of the bootstrap over groups.
        on_progress: Called with the number of slices just done.
    """
    rows = answers.rows
    weights = resample([row.group for row in rows], resamples)
    return Evaluation(
        subject=subject,
        split=split,
        answers=answers,
        slices=slice_figures(
            slices(rows, read_bands(rows)),
            rows,
            answers.p_fake,
            answers.verdicts,
            subject.threshold,
            weights,
            on_progress,
        ),
        category=_right(answers, answers.categories, weights) if any(answers.categories) else None,
        # A file that names 'other' without the likeliest leaves it unknown for some pictures.
        likeliest=_right(answers, answers.likeliest, weights) if all(answers.likeliest) else None,
        unseen=sorted({row.generator for row in rows if row.is_fake} - trained_on),
        resamples=resamples,
        weights=weights,
    )


def _right(answers: Answers, said: list[str], weights: Weights) -> Interval | None:
    truth = np.array([row.category for row in answers.rows])
    groups = np.array([row.group for row in answers.rows], dtype=object)
    return share_among(weights, groups, truth != "", truth == np.array(said))
