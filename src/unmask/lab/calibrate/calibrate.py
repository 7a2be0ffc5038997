"""Calibrate an exported model on a manifest's validation split and write its card anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import numpy as np

from unmask.lab.calibrate.band import choose_band, choose_category_cut
from unmask.lab.calibrate.choose import (
    CalibrationScore,
    choose_calibration,
    fit_all,
    score_calibrations,
)
from unmask.lab.calibrate.fit import fit_stack
from unmask.lab.calibrate.score import ViewScores, score_views
from unmask.lab.calibrate.views import PlanScore, choose_plan, score_plans
from unmask.lab.data.manifest import Row, select
from unmask.lab.evaluate.metrics import ece
from unmask.lab.evaluate.models import open_model
from unmask.model.calibration import softmax
from unmask.model.card import ModelCard
from unmask.model.ensemble import check_members, write_ensemble
from unmask.model.onnx_model import Model
from unmask.picture.views import ViewPlan

Combine = Literal["mean", "stack"]


@dataclass(frozen=True)
class Calibrated:
    """What calibrating found.

    Attributes:
        card: The card as written.
        plans: Every plan of views and its AUC, fewest views first.
        calibrations: Every calibration and what it reaches on pictures it was not fitted on; none
            where there are too few to tell.
        skipped: Pictures that could not be read.
    """

    card: ModelCard
    plans: list[PlanScore]
    calibrations: list[CalibrationScore]
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
        model_path: An exported ONNX model with its card, or a training run, which gets one.
        rows: A manifest's rows; only ``val`` is read.
        most_views: Most views a picture may cost.
        on_progress: Called with the number of pictures just done.

    Raises:
        ModelError: The model cannot be loaded.
        ValueError: The split is empty or lacks a label, or no picture could be read.
    """
    rows = select(rows, "val")
    model = open_model(model_path)
    size = model.card.views.size
    scores = score_views(model, rows, ViewPlan(size=size, whole=True, crops=5), on_progress)
    return _finish(model.card, scores, most_views, len(rows), model.path)


def calibrate_ensemble(
    model_paths: Sequence[Path],
    rows: Sequence[Row],
    out: Path,
    *,
    combine: Combine = "mean",
    most_views: int = 6,
    on_progress: Callable[[int], None] = lambda count: None,
) -> Calibrated:
    """Make an ensemble of calibrated models: choose all that `calibrate` does for their sum.

    Args:
        model_paths: Exported ONNX models, the first of which names the category.
        rows: A manifest's rows; only ``val`` is read.
        out: The ``.ensemble`` file to write; its card goes beside it.
        combine: The mean of the logits, or a stack fitted on validation.
        most_views: Most views a picture may cost.
        on_progress: Called with the number of pictures just done, once for each model.

    Raises:
        ModelError: A model cannot be loaded, or the models see views of different sizes.
        ValueError: The split is empty or lacks a label, or no picture could be read.
    """
    rows = select(rows, "val")
    models = [Model(path) for path in model_paths]
    check_members(models)
    first = models[0].card
    full = ViewPlan(size=first.views.size, whole=True, crops=5)
    each = [score_views(model, rows, full, on_progress) for model in models]
    weights, offset = [1 / len(models)] * len(models), 0.0
    if combine == "stack":
        # Over all views: how much a model counts hardly depends on how many of them are taken.
        pooled = np.stack([scores.pooled() for scores in each], axis=1)
        weights, offset = fit_stack(pooled, each[0].is_fake)
    total = sum(w * scores.fake_logits for w, scores in zip(weights, each, strict=True)) + offset
    whole = sum(w * scores.whole_logits for w, scores in zip(weights, each, strict=True))
    digest = write_ensemble(out, models, weights, offset)
    card = first.model_copy(
        update={
            "name": " + ".join(model.card.name for model in models),
            "created": datetime.now(UTC).date().isoformat(),
            "sha256": digest,
            "training": {model.card.name: model.card.training for model in models},
            "licence": " / ".join(dict.fromkeys(model.card.licence for model in models)),
        }
    )
    scores = replace(
        each[0],
        fake_logits=np.asarray(total, dtype=np.float32),
        whole_logits=np.asarray(whole, dtype=np.float32),
    )
    return _finish(card, scores, most_views, len(rows), out)


def _finish(
    card: ModelCard, scores: ViewScores, most_views: int, asked: int, path: Path
) -> Calibrated:
    plans = score_plans(scores, card.views.size)
    best = choose_plan([plan for plan in plans if plan.plan.count <= most_views])
    logits = scores.pooled(best.columns)
    scored = score_calibrations(logits, scores.is_fake, [row.group for row in scores.rows])
    card = _decide(card, scores, best, scored)
    card.write(ModelCard.path_for(path))
    return Calibrated(card, plans, scored, asked - len(scores.rows))


def _decide(
    card: ModelCard, scores: ViewScores, best: PlanScore, scored: Sequence[CalibrationScore]
) -> ModelCard:
    logits = scores.pooled(best.columns)
    is_fake = scores.is_fake
    fits = fit_all(logits, is_fake)
    chosen = choose_calibration(scored)
    calibration = fits[chosen]
    p_fake = calibration(logits)
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
    for one in scored:
        if one.name == chosen:
            validation["ece_cross_validated"] = one.ece
    if labelled.any():
        validation["category_accuracy"] = float(np.mean(hits))
    return card.model_copy(
        update={
            "views": best.plan,
            "calibration": calibration,
            "alternatives": fits,
            "real_below": band.real_below,
            "fake_from": band.fake_from,
            "most_wrong": band.most_wrong,
            "category_cut": choose_category_cut(confidence) if labelled.any() else 0.0,
            "validation": {name: round(value, 6) for name, value in validation.items()},
            # Figures of another calibration or other views would no longer be true.
            "test": (),
            "unseen": None,
        }
    )


def _category_index(card: ModelCard, row: Row) -> int:
    return card.categories.index(row.category) if row.category in card.categories else -1
