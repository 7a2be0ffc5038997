"""Faults put into a run on purpose, so that their marks on the curves can be learned."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import lightning as L
import numpy as np

from unmask.lab.data.manifest import Label, Row
from unmask.lab.train.config import Faults


def spoil_labels(rows: Sequence[Row], faults: Faults, seed: int) -> list[Row]:
    """Return training rows with the labels that the faults ask for.

    Shuffled labels are dealt within each source and true label, half to either: a plain shuffle of
    a few hundred pictures leaves a correlation with the truth by chance, which is enough for a
    network to learn the truth, or its opposite, from.

    Args:
        rows: The training rows.
        faults: ``label_noise`` turns an exact share of labels; ``shuffled_labels`` deals all anew.
        seed: Of the choice.
    """
    rng = np.random.default_rng((seed, 1))
    turned: set[int] = set()
    if faults.label_noise:
        count = round(faults.label_noise * len(rows))
        turned.update(rng.permutation(len(rows))[:count].tolist())
    if faults.shuffled_labels:
        cells: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
        for index, row in enumerate(rows):
            cells[row.source, row.label].append(index)
        for members in cells.values():
            # Of an odd number the one left over falls to either side.
            half = (len(members) + int(rng.integers(2))) // 2
            turned.update(rng.permutation(members)[:half].tolist())
    return [_turn(row) if index in turned else row for index, row in enumerate(rows)]


class SkippedGradients(L.Callback):
    """Loses the gradients of a share of the optimiser's steps.

    Args:
        rate: Share of steps, in [0, 1).
        seed: Of the choice, which depends on the step alone, so that a resumed run chooses alike.
    """

    def __init__(self, rate: float, seed: int) -> None:
        self.rate, self.seed = rate, seed

    def on_before_optimizer_step(
        self, trainer: L.Trainer, module: L.LightningModule, _: Any
    ) -> None:
        """Set the gradients to zero, now and then."""
        if np.random.default_rng((self.seed, 2, trainer.global_step)).random() < self.rate:
            for parameter in module.parameters():
                if parameter.grad is not None:
                    parameter.grad.zero_()


def _turn(row: Row) -> Row:
    label: Label = "real" if row.is_fake else "fake"
    return replace(row, label=label)
