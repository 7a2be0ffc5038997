"""Choose by measurement how a picture is cut into views."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unmask.lab.calibrate.score import ViewScores
from unmask.lab.evaluate.metrics import auc
from unmask.picture.views import CROP_ORDER, ViewPlan

WORTH_A_VIEW = 0.001
"""AUC that a plan must gain to be preferred to one with fewer views, which is faster."""


@dataclass(frozen=True)
class PlanScore:
    """A plan of views and what it reaches on validation.

    Attributes:
        plan: The plan.
        columns: Its views among those scored.
        auc: Mean over sources of the AUC within the source, in [0, 1].
    """

    plan: ViewPlan
    columns: tuple[int, ...]
    auc: float


def score_plans(scores: ViewScores, size: int) -> list[PlanScore]:
    """Score every plan whose views are among those of the full plan, fewest views first.

    Args:
        scores: Of the full plan: the whole picture and five crops.
        size: Side of a view, in pixels.
    """
    plans = [
        ViewPlan(size=size, whole=whole, crops=crops)
        for whole in (True, False)
        for crops in (0, 1, 2, 3, 4, 5)
        if whole or crops
    ]
    scored = []
    for plan in sorted(plans, key=lambda plan: plan.count):
        columns = (0,) * plan.whole + tuple(1 + place for place in CROP_ORDER[plan.crops])
        scored.append(PlanScore(plan, columns, auc_by_source(scores, scores.pooled(columns))))
    return scored


def choose_plan(scored: list[PlanScore]) -> PlanScore:
    """Return the best plan; a view more must be worth `WORTH_A_VIEW`."""
    return max(scored, key=lambda score: score.auc - WORTH_A_VIEW * score.plan.count)


def auc_by_source(scores: ViewScores, logits: np.ndarray) -> float:
    """Mean over sources of the AUC within a source, which no difference of sources can help.

    Sources with one label have no AUC and are left out; without any other source it is the AUC
    over all pictures.
    """
    sources = np.array([row.source for row in scores.rows])
    is_fake = scores.is_fake
    each = [
        auc(is_fake[sources == source], logits[sources == source]) for source in np.unique(sources)
    ]
    known = [value for value in each if not np.isnan(value)]
    return float(np.mean(known)) if known else auc(is_fake, logits)
