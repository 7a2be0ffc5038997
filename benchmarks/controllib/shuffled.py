"""Shuffle-label controls: the same recipe on labels that mean nothing must learn nothing.

Whatever is above 0.5 then comes in by another way than the training labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from controllib.areas import areas, over_seeds
from unmask.lab.calibrate.score import score
from unmask.lab.data.cap import cap
from unmask.lab.data.manifest import Row, select
from unmask.lab.left_out.protocol import Recipe
from unmask.lab.train.config import TrainConfig
from unmask.lab.train.faults import Faults, spoil_labels
from unmask.lab.train.train import train
from unmask.model.open import open_model

SHUFFLED = Faults(shuffled_labels=True)


def dealt_to_halves(rows: Sequence[Row], seed: int) -> list[Row]:
    """Deal labels so that half of each source's real pictures and of its fakes are called fake."""
    return spoil_labels(rows, SHUFFLED, seed)


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

    def judge(run: Path, val: list[Row], config: TrainConfig, faults: Faults, count: int) -> Any:
        train([*chosen, *val], run, config, progress=False, faults=faults)
        scores = score(open_model(run), judged)
        return areas(scores.rows, scores.logits, count)

    found = []
    for seed in range(seeds):
        # The fault deals the training labels, and marks the run as no model to release.
        config = recipe.config.model_copy(update={"seed": seed})
        val, count = dealt_to_halves(choosing, seed), 0 if seeds > 1 else 1000
        found.append(judge(out / f"shuffled-{seed}", val, config, SHUFFLED, count))
    return {
        "seeds": seeds,
        "train": len(chosen),
        "val": len(judged),
        "recipe": recipe.sentence(),
        "true labels": judge(honest, choosing, recipe.config, Faults(), 1000),
        "dealt to halves": over_seeds(found),
    }
