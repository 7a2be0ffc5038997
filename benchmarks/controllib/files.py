"""The source-only control: how far the label can be told from the files, without their pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from controllib.areas import ALL, areas
from peerlib.headers import ask, fit
from unmask.lab.data.manifest import Row, select
from unmask.model.card import ModelCard


def from_files(rows: Sequence[Row], card: ModelCard) -> dict[str, Any]:
    """Fit gradient boosting to file facts of the training split, and judge it on the others.

    Args:
        rows: A manifest's rows.
        card: Of the model to compare with; it keeps that model's own figures.

    Returns:
        AUC with interval by source, on validation and test, and the model's from its card.
    """
    model = fit(select(rows, "train"))
    val, test = select(rows, "val"), select(rows, "test")
    theirs = {}
    for figure in card.test:
        kind, _, name = figure.slice.partition(": ")
        if figure.auc and kind in ("overall", "source"):
            theirs[name or ALL] = figure.auc
    return {
        "model": card.name,
        "sha256": card.sha256,
        "train": len(select(rows, "train")),
        "val": areas(val, ask(model, val)),
        "test": areas(test, ask(model, test)),
        "model on test": theirs,
    }
