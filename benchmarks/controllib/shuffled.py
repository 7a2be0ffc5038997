"""Shuffle-label controls: the same recipe on labels that mean nothing must learn nothing.

Whatever is above 0.5 then comes in by another way than the training labels.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from controllib.areas import areas, over_seeds
from unmask.lab.calibrate.score import score_views
from unmask.lab.data.cap import cap
from unmask.lab.data.manifest import Row, select
from unmask.lab.left_out.protocol import Recipe
from unmask.lab.tower.features import TowerFeatures
from unmask.lab.tower.kept import KeptFeatures
from unmask.lab.tower.probe import STRENGTH, fit_head
from unmask.lab.train.checkpoint import Checkpoint
from unmask.lab.train.config import Faults, TrainConfig
from unmask.lab.train.faults import spoil_labels
from unmask.lab.train.pseudo import is_pseudo
from unmask.lab.train.train import train

Deal = Callable[[Sequence[Row], int], list[Row]]


def dealt_to_halves(rows: Sequence[Row], seed: int) -> list[Row]:
    """Deal labels so that half of each source's real pictures and of its fakes are called fake."""
    return spoil_labels(rows, Faults(shuffled_labels=True), seed)


def dealt_within_sources(rows: Sequence[Row], seed: int) -> list[Row]:
    """Permute the labels within each source, so that each keeps its share of fakes."""
    rng = np.random.default_rng((seed, 5))
    places: defaultdict[str, list[int]] = defaultdict(list)
    for place, row in enumerate(rows):
        places[row.source].append(place)
    dealt = list(rows)
    for own in places.values():
        for place, other in zip(own, rng.permutation(own), strict=True):
            dealt[place] = replace(rows[place], label=rows[other].label)
    return dealt


def heads(kept: KeptFeatures, seeds: int) -> dict[str, Any]:
    """Fit the head on the tower to true and to dealt labels, and judge it on validation.

    Pseudo-fakes are left out: they are fakes whatever the labels of others say, and would teach.

    Args:
        kept: What the tower sees.
        seeds: Times that labels are dealt, in either way.

    Returns:
        AUC with interval by source, for true labels and for both ways of dealing.
    """
    known = kept.train.only([not is_pseudo(row) for row in kept.train.rows])
    val = kept.held_out.only([row.split == "val" for row in kept.held_out.rows])
    clean = val.values[:, 0]

    def judge(rows: list[Row], resamples: int) -> Any:
        head = fit_head(TowerFeatures(rows, known.values), STRENGTH)
        return areas(val.rows, head(clean), resamples)

    def over(deal: Deal) -> Any:
        return over_seeds([judge(deal(known.rows, seed), 0) for seed in range(seeds)])

    return {
        "seeds": seeds,
        "train": len(known.rows),
        "val": len(val.rows),
        "true labels": judge(known.rows, 1000),
        "dealt to halves": over(dealt_to_halves),
        "dealt within sources": over(dealt_within_sources),
    }


def networks(
    rows: Sequence[Row], recipe: Recipe, seeds: int, out: Path, honest: Path
) -> dict[str, Any]:
    """Train the capped network on true and on dealt labels, and judge it on validation.

    Validation labels are dealt as well for a training on dealt labels: it keeps its best epoch by
    them, and among epochs that know nothing true ones would choose those that happen to be right.

    Args:
        rows: A manifest's rows.
        recipe: What is trained.
        seeds: Networks on dealt labels.
        out: The folder of these.
        honest: The run with true labels: that of the leave-one-out protocols with nothing left out.
    """
    chosen = cap(select(rows, "train"), recipe.train_pictures)
    choosing = cap(select(rows, "val"), recipe.val_pictures)
    judged = select(rows, "val")

    def judge(run: Path, val: list[Row], config: TrainConfig, resamples: int) -> Any:
        train([*chosen, *val], run, config, progress=False)
        model = Checkpoint(run)
        scores = score_views(model, judged, model.card.views)
        return areas(scores.rows, scores.pooled(), resamples)

    found = []
    for seed in range(seeds):
        # The fault deals the training labels, and marks the run as no model to release.
        changes = {"faults": Faults(shuffled_labels=True), "seed": seed}
        config, val = recipe.config.model_copy(update=changes), dealt_to_halves(choosing, seed)
        found.append(judge(out / f"shuffled-{seed}", val, config, 0 if seeds > 1 else 1000))
    return {
        "seeds": seeds,
        "train": len(chosen),
        "val": len(judged),
        "recipe": recipe.sentence(),
        "true labels": judge(honest, choosing, recipe.config, 1000),
        "dealt to halves": over_seeds(found),
    }
