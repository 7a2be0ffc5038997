"""Calibrate an exported model on a manifest's validation split and write its card anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unmask.calibrate.band import choose_band, choose_category_cut
from unmask.calibrate.fit import fit_isotonic, fit_platt, fit_temperature
from unmask.calibrate.score import ViewScores, score_views
from unmask.calibrate.views import PlanScore, choose_plan, score_plans
from unmask.data.manifest import Row, select
from unmask.detector.calibration import softmax
from unmask.detector.card import ModelCard
from unmask.detector.model import Model
from unmask.evaluation.metrics import ece
from unmask.prepare.views import ViewPlan


@dataclass(frozen=True)
class Calibrated:
    """What calibrating found.

    Attributes:
        card: The card as written.
        plans: Every plan of views and its AUC, fewest views first.
        skipped: Pictures that could not be read.
    """

    card: ModelCard
    plans: list[PlanScore]
    skipped: int


def calibrate(
    model_path: Path,
    rows: Sequence[Row],
    *,
    most_views: int = 6,
    on_progress: Callable[[int], None] = lambda count: None,
) -> Calibrated:
    """Choose views, calibration, band and category cut on validation, and write the card.

    Args:
        model_path: An exported ONNX model with its card.
        rows: A manifest's rows; only ``val`` is read.
        most_views: Most views a picture may cost.
        on_progress: Called with the number of pictures just done.

    Raises:
        ModelError: The model cannot be loaded.
        ValueError: The split is empty or lacks a label, or no picture could be read.
    """
    rows = select(rows, "val")
    model = Model(model_path)
    size = model.card.views.size
    scores = score_views(model, rows, ViewPlan(size=size, whole=True, crops=5), on_progress)
    plans = score_plans(scores, size)
    best = choose_plan([plan for plan in plans if plan.plan.count <= most_views])
    card = _decide(model.card, scores, best)
    card.write(ModelCard.path_for(model_path))
    return Calibrated(card, plans, len(rows) - len(scores.rows))


def _decide(card: ModelCard, scores: ViewScores, best: PlanScore) -> ModelCard:
    logits = scores.fake_logits[:, best.columns].mean(1)
    is_fake = scores.is_fake
    platt = fit_platt(logits, is_fake)
    p_fake = platt(logits)
    band = choose_band(is_fake, p_fake)
    answered = (p_fake < band.real_below) | (p_fake >= band.fake_from)
    wrong = (p_fake >= 0.5) != is_fake

    truth = np.array([_category_index(card, row) for row in scores.rows])
    labelled = truth >= 0
    hits, confidence = np.empty(0), np.empty(0)
    # A model without categories labels none, and has no logits to take a maximum of.
    if labelled.any():
        categories = softmax(scores.category_logits[labelled][:, best.columns].mean(1))
        hits, confidence = categories.argmax(1) == truth[labelled], categories.max(1)

    validation = {
        "pictures": float(len(scores.rows)),
        "auc_by_source": best.auc,
        "accuracy": float(np.mean(~wrong)),
        "ece": ece(is_fake, p_fake),
        "coverage": float(np.mean(answered)),
        "wrong_among_answered": float(np.mean(wrong[answered])) if answered.any() else 0.0,
    }
    if labelled.any():
        validation["category_accuracy"] = float(np.mean(hits))
    return card.model_copy(
        update={
            "views": best.plan,
            "calibration": platt,
            "alternatives": {
                "temperature": fit_temperature(logits, is_fake),
                "isotonic": fit_isotonic(logits, is_fake),
            },
            "real_below": band.real_below,
            "fake_from": band.fake_from,
            "most_wrong": band.most_wrong,
            "category_cut": choose_category_cut(confidence) if labelled.any() else 0.0,
            "validation": {name: round(value, 6) for name, value in validation.items()},
            # Figures of another calibration or other views would no longer be true.
            "test": (),
        }
    )


def _category_index(card: ModelCard, row: Row) -> int:
    return card.categories.index(row.category) if row.category in card.categories else -1
