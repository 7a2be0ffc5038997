"""Choose by measurement how a picture is cut into views."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from unmask.lab.calibrate.score import Scores
from unmask.picture.views import CROP_ORDER, ViewPlan

WORTH_A_VIEW = 0.001
"""AUC that a plan must gain to be preferred to one with fewer views, which is faster."""


@dataclass(frozen=True)
class PlanScore:
    """A plan of views and what it reaches on validation.

    Attributes:
        plan: The plan.
        auc: Mean over sources of the AUC within the source, in [0, 1].
    """

    plan: ViewPlan
    auc: float


def full_plan(inputs: Mapping[str, ViewPlan]) -> dict[str, ViewPlan]:
    """Return the plan that has the views of all plans to choose from, by the model's input.

    Empty where there is no choice: the model has several inputs, or takes no crops, or takes the
    whole in a way that may need more than one view.
    """
    plans = list(inputs.values())
    if len(plans) != 1 or not plans[0].crops or plans[0].whole == "squeezed":
        return {}
    return {name: ViewPlan(size=plan.size, crops=5) for name, plan in inputs.items()}


def score_plans(scores: Scores, size: int) -> list[PlanScore]:
    """Score every plan whose views are among those of the full plan, fewest views first.

    Args:
        scores: Of the full plan: the whole picture and five crops.
        size: Side of a view, in pixels.
    """
    plans = [
        ViewPlan(size=size, whole=whole, crops=crops)
        for whole in ("centre", None)
        for crops in (0, 1, 2, 3, 4, 5)
        if whole or crops
    ]
    by_view = np.stack([output.view_logits for output in scores.outputs])
    scored = []
    for plan in sorted(plans, key=lambda plan: plan.count):
        columns = [0] * bool(plan.whole) + [1 + place for place in CROP_ORDER[plan.crops]]
        scored.append(PlanScore(plan, scores.auc_by_source(by_view[:, columns].mean(1))))
    return scored


def choose_plan(scored: list[PlanScore]) -> PlanScore:
    """Return the best plan; a view more must be worth `WORTH_A_VIEW`."""
    return max(scored, key=lambda score: score.auc - WORTH_A_VIEW * score.plan.count)
