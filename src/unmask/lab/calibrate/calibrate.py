"""Calibrate a model on a manifest's validation split and write its card anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import numpy as np

from unmask.lab.calibrate.choose_bands import choose_bands, choose_category_cut
from unmask.lab.calibrate.choose_calibration import (
    CalibrationScore,
    choose_calibration,
    fit_all,
    score_calibrations,
)
from unmask.lab.calibrate.choose_views import PlanScore, choose_plan, full_plan, score_plans
from unmask.lab.calibrate.fit import fit_stack
from unmask.lab.calibrate.score import Scores, score
from unmask.lab.data.manifest import Row, select
from unmask.lab.evaluate.metrics import ece
from unmask.model.calibration import softmax
from unmask.model.card import ModelCard
from unmask.model.ensemble import check_members, write_ensemble
from unmask.model.model import Model
from unmask.model.open import open_model

Combine = Literal["mean", "stack"]


@dataclass(frozen=True)
class Calibrated:
    """What calibrating found.

    Attributes:
        card: The card as written.
        plans: Every plan of views that was tried and its AUC, fewest views first.
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
    """Choose calibration, bands and category cut on validation, and write the card.

    Args:
        model_path: Whatever `open_model` takes; a training run gets a card.
        rows: A manifest's rows; only ``val`` is read.
        most_views: Choose the views too, at most so many a picture, for a model that leaves a
            choice (`full_plan`); all pictures are scored once more for it. 0 keeps the card's.
        on_progress: Called with the number of pictures just done.

    Raises:
        ModelError: The model cannot be opened.
        ValueError: The split is empty or lacks a label, or no picture could be read.
    """
    rows = select(rows, "val")
    model = open_model(model_path)
    card, plans = model.card, []
    full = full_plan(card.inputs)
    if most_views and full:
        (name, plan), *_ = full.items()
        plans = score_plans(score(model, rows, full, on_progress), plan.size)
        best = choose_plan([one for one in plans if one.plan.count <= most_views])
        card = card.model_copy(update={"inputs": {name: best.plan}})
    scores = score(model, rows, card.inputs, on_progress)
    groups = [row.group for row in scores.rows]
    scored = score_calibrations(scores.logits, scores.is_fake, groups)
    card = _decide(card, scores, scored)
    card.write(ModelCard.path_for(model.path))
    return Calibrated(card, plans, scored, len(rows) - len(scores.rows))


def make_ensemble(
    model_paths: Sequence[Path],
    rows: Sequence[Row],
    out: Path,
    *,
    combine: Combine = "mean",
    on_progress: Callable[[int], None] = lambda count: None,
) -> None:
    """Make an ensemble of models, with a card that is not yet calibrated.

    Args:
        model_paths: Exported ONNX models, the first of which names the category.
        rows: A manifest's rows; only ``val`` is read, and only for a stack.
        out: The ``.ensemble`` file to write; its card goes beside it.
        combine: The mean of the logits, or a stack fitted on validation.
        on_progress: Called with the number of pictures just done, once for each model.

    Raises:
        ModelError: A model cannot be opened, or the models see different views.
        ValueError: The split is empty or lacks a label, or no picture could be read.
    """
    models = [open_model(path) for path in model_paths]
    check_members(models)
    weights, offset = [1 / len(models)] * len(models), 0.0
    if combine == "stack":
        each = [score(model, select(rows, "val"), on_progress=on_progress) for model in models]
        weights, offset = fit_stack(
            np.stack([scores.logits for scores in each], axis=1), each[0].is_fake
        )
    digest = write_ensemble(out, models, weights, offset)
    _ensemble_card(models, digest).write(ModelCard.path_for(out))


def _ensemble_card(models: Sequence[Model], digest: str) -> ModelCard:
    cards = [model.card for model in models]
    return cards[0].model_copy(
        update={
            "name": " + ".join(card.name for card in cards),
            "created": datetime.now(UTC).date().isoformat(),
            "sha256": digest,
            "training": {card.name: card.training for card in cards},
            "licence": " / ".join(dict.fromkeys(card.licence for card in cards)),
        }
    )


def _decide(card: ModelCard, scores: Scores, scored: Sequence[CalibrationScore]) -> ModelCard:
    logits, is_fake = scores.logits, scores.is_fake
    fits = fit_all(logits, is_fake)
    chosen = choose_calibration(scored)
    calibration = fits[chosen]
    p_fake = calibration(logits)
    bands = choose_bands(is_fake, p_fake)
    answered = (p_fake < bands[0].real_below) | (p_fake >= bands[0].fake_from)
    wrong = (p_fake >= 0.5) != is_fake

    truth = np.array([_category_index(card, row) for row in scores.rows])
    labelled = truth >= 0
    hits, confidence = np.empty(0), np.empty(0)
    # A model without categories labels none, and has no logits to take a maximum of.
    if labelled.any():
        categories = softmax(scores.category_logits[labelled])
        hits, confidence = categories.argmax(1) == truth[labelled], categories.max(1)

    validation = {
        "pictures": float(len(scores.rows)),
        "auc_by_source": scores.auc_by_source(logits),
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
            "calibration": calibration,
            "alternatives": fits,
            "prior": round(float(np.mean(is_fake)), 6),
            "bands": bands,
            "category_cut": choose_category_cut(confidence) if labelled.any() else 0.0,
            "validation": {name: round(value, 6) for name, value in validation.items()},
            # Figures of another calibration or other views would no longer be true.
            "test": (),
            "unseen": None,
        }
    )


def _category_index(card: ModelCard, row: Row) -> int:
    return card.categories.index(row.category) if row.category in card.categories else -1
