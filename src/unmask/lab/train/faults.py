"""Faults put into a run on purpose, so that their marks on the curves can be learned.

A run with any is no release: its checkpoints say so, and it cannot be exported.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any, Self

import lightning as L
import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor

from unmask.lab.data.manifest import Label, Row
from unmask.lab.train.dataset import TrainingViews
from unmask.lab.train.losses import FakeLoss
from unmask.picture.decode import Pixels


class Faults(BaseModel):
    """Which faults are put into a run.

    Attributes:
        label_noise: Share of the training labels that are turned round.
        input_noise: Standard deviation of Gaussian noise on every training view, in grey levels of
            0 to 255.
        shuffled_labels: Deal the training labels anew, so that nothing can be learned.
        wrong_loss: Apply the sigmoid twice, as who feeds probabilities to a loss for logits does.
        skipped_gradients: Share of the optimiser's steps whose gradients are lost.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    label_noise: float = Field(default=0.0, ge=0, le=1)
    input_noise: float = Field(default=0.0, ge=0, le=255)
    shuffled_labels: bool = False
    wrong_loss: bool = False
    skipped_gradients: float = Field(default=0.0, ge=0, lt=1)

    @classmethod
    def read(cls, settings: Sequence[str]) -> Self:
        """Read faults as in ``label_noise=0.2``.

        Raises:
            ValueError: There is no such fault, it cannot have such a value, or two contradict.
        """
        pairs = [setting.partition("=") for setting in settings]
        try:
            faults = cls(**{name: value or True for name, _, value in pairs})
        except ValidationError as error:
            first = error.errors()[0]
            raise ValueError(f"The fault '{first['loc'][0]}': {first['msg']}.") from None
        if faults.shuffled_labels and faults.label_noise:
            raise ValueError("shuffled_labels leaves no label for label_noise to spoil.")
        return faults

    @property
    def active(self) -> list[str]:
        """The faults in words, as in ``label_noise=0.2``; empty for an honest run."""
        return [f"{name}={value}" for name, value in self.model_dump().items() if value]


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


class NoisyViews(TrainingViews):
    """Training views with Gaussian noise.

    Attributes:
        deviation: Of the noise, in grey levels.
    """

    deviation: float = 0.0

    def view(self, row: Row, pixels: Pixels, seed: int) -> Pixels:
        """Draw a view, and add the noise."""
        view = super().view(row, pixels, seed)
        noise = np.random.default_rng((seed, 6)).normal(0.0, self.deviation, view.shape)
        return np.clip(np.rint(view + noise), 0, 255).astype(np.uint8)


class DoubleSigmoid(FakeLoss):
    """A loss that takes what is already a probability for a logit."""

    def each(self, fake_logit: Tensor, fake: Tensor) -> Tensor:
        """Return the wrong loss of each picture."""
        return super().each(fake_logit.sigmoid(), fake)


def spoil_loss(loss: FakeLoss, faults: Faults) -> FakeLoss:
    """Return the loss that the faults ask for."""
    return DoubleSigmoid(**asdict(loss)) if faults.wrong_loss else loss


def spoil_views(data: TrainingViews, faults: Faults) -> TrainingViews:
    """Return the training views that the faults ask for."""
    if not faults.input_noise:
        return data
    noisy = NoisyViews(data.rows, data.config, data.read)
    noisy.deviation = faults.input_noise
    return noisy


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
