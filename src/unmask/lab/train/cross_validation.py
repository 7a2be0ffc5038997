"""Cross-validation: as many runs as folds, each judged on pictures that it has not seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from unmask.lab.data.manifest import ManifestError, Row
from unmask.lab.files import write_json
from unmask.lab.train.artefacts import best_figures
from unmask.lab.train.config import TrainConfig
from unmask.lab.train.train import train

FIGURES = ("val_auc_by_source", "val_auc", "val_accuracy", "val_category_accuracy", "val_loss")
FOLDS_FILE = "folds.json"


@dataclass(frozen=True)
class FoldSpread:
    """A figure over the folds.

    Attributes:
        name: Of the log's column.
        values: One a fold, of the epoch whose weights were kept.
    """

    name: str
    values: list[float]

    @property
    def mean(self) -> float:
        """Mean over the folds."""
        return float(np.mean(self.values))

    @property
    def deviation(self) -> float:
        """Standard deviation over the folds, of a sample."""
        return float(np.std(self.values, ddof=1))


def deal_folds(rows: Sequence[Row], count: int, seed: int) -> list[list[Row]]:
    """Split training and validation pictures into folds that keep groups together.

    Args:
        rows: A manifest's rows; the test split is left out.
        count: Number of folds.
        seed: Of the deal.

    Returns:
        For each fold all rows, those of the fold as ``val`` and the others as ``train``.

    Raises:
        ManifestError: There are fewer groups of a label than folds.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    own = [row for row in rows if row.split != "test"]
    labels = [row.label for row in own]
    groups = [row.group or f"\0{place}" for place, row in enumerate(own)]
    for label in sorted(set(labels)):
        there = len({group for group, of in zip(groups, labels, strict=True) if of == label})
        if there < count:
            raise ManifestError(
                f"{count} folds need as many groups of {label} pictures, and there are {there}."
            )
    folder = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    folds = []
    for _, held_out in folder.split(own, labels, groups):
        home = set(held_out.tolist())
        folds.append([replace(r, split="val" if i in home else "train") for i, r in enumerate(own)])
    return folds


def cross_validate(
    rows: Sequence[Row], out: Path, config: TrainConfig, count: int, **options: Any
) -> list[FoldSpread]:
    """Train once a fold, into ``out/fold-1`` and so on, and write ``out/folds.json``.

    A fold that is finished is not trained again.

    Args:
        rows: A manifest's rows; the test split is left out.
        out: The folder of all runs.
        config: Of every run.
        count: Number of folds, at least 2.
        **options: As `train` takes them.

    Raises:
        ManifestError: The data cannot be split or trained on.
        ValueError: As `train` does, or there are fewer than 2 folds.
    """
    if count < 2:
        raise ValueError("Cross-validation needs at least 2 folds.")
    figures = []
    for number, fold in enumerate(deal_folds(rows, count, config.seed), 1):
        run = out / f"fold-{number}"
        train(fold, run, config, **options)
        figures.append(best_figures(run))
    spreads = [FoldSpread(name, [one[name] for one in figures]) for name in FIGURES]
    document = {
        one.name: {"mean": one.mean, "deviation": one.deviation, "folds": one.values}
        for one in spreads
        if not np.isnan(one.mean)
    }
    write_json(out / FOLDS_FILE, document)
    return [one for one in spreads if one.name in document]
