"""Losses: one for each head, and their weighted sum."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from unmask.lab.data.manifest import CATEGORIES, Row
from unmask.lab.train.config import TrainConfig

NO_CATEGORY = -1
"""Category target of an unlabelled picture: the category loss leaves it out."""

Batch = dict[str, Tensor]


@dataclass(frozen=True)
class NetworkAnswers:
    """What the network said of a batch, in float32.

    Attributes:
        fake_logit: Shape (n,), positive for fake.
        category_logits: Shape (n, categories).
    """

    fake_logit: Tensor
    category_logits: Tensor


Term = Callable[[NetworkAnswers, Batch], Tensor]
"""A part of the loss: answers and batch to a scalar. The batch has ``views``, ``fake``,
``category`` and ``index``, so that a term may also run another network on the views."""


@dataclass(frozen=True)
class LossSum:
    """The loss of a run, as a weighted sum of terms.

    Attributes:
        terms: Weight and term by name.
    """

    terms: dict[str, tuple[float, Term]]

    def __call__(self, answers: NetworkAnswers, batch: Batch) -> Tensor:
        """Return the sum."""
        total = sum(weight * term(answers, batch) for weight, term in self.terms.values())
        return torch.as_tensor(total)


@dataclass(frozen=True)
class FakeLoss:
    """Loss of the real/fake head: BCE with logits, or focal.

    The focal loss (Lin et al. 2017) is ``alpha_t * (1 - p_t) ** gamma * BCE``, p_t being the
    probability given to the right label. As in that paper alpha scales both classes: fakes, the
    positive class, by ``alpha`` and real pictures by ``1 - alpha``.

    Attributes:
        focal: Whether to use the focal loss.
        alpha: Weight of fakes in the focal loss, in (0, 1).
        gamma: Of the focal loss; with 0 it is BCE weighted by alpha.
        smoothing: Targets are moved this far towards 0.5.
        false_positive_cost: Weight of real pictures, in either loss.
    """

    focal: bool = False
    alpha: float = 0.25
    gamma: float = 2.0
    smoothing: float = 0.0
    false_positive_cost: float = 1.0

    def each(self, fake_logit: Tensor, fake: Tensor) -> Tensor:
        """Return the loss of each picture, shape (n,); ``fake`` is 1 for a fake, else 0."""
        target = fake * (1 - self.smoothing) + 0.5 * self.smoothing
        loss = F.binary_cross_entropy_with_logits(fake_logit, target, reduction="none")
        if self.focal:
            # 1 - p_t without cancellation: the probability given to the wrong label.
            wrong = torch.sigmoid(torch.where(fake > 0.5, -fake_logit, fake_logit))
            alpha_t = torch.where(fake > 0.5, self.alpha, 1 - self.alpha)
            loss = alpha_t * wrong**self.gamma * loss
        if self.false_positive_cost != 1:
            loss = loss * torch.where(fake > 0.5, 1.0, self.false_positive_cost)
        return loss

    def __call__(self, answers: NetworkAnswers, batch: Batch) -> Tensor:
        """Return the mean over the batch."""
        return self.each(answers.fake_logit, batch["fake"]).mean()


class CategoryLoss(torch.nn.Module):
    """Class-weighted cross-entropy of the category head, over the labelled pictures.

    Args:
        weights: Of the categories, shape (3,).
    """

    def __init__(self, weights: Tensor) -> None:
        super().__init__()
        self.register_buffer("weights", weights, persistent=False)

    def forward(self, answers: NetworkAnswers, batch: Batch) -> Tensor:
        """Return the weighted mean; 0 where no picture of the batch is labelled."""
        if not (batch["category"] != NO_CATEGORY).any():
            # Still a function of the head, as training in several processes needs.
            return answers.category_logits.sum() * 0
        return F.cross_entropy(
            answers.category_logits,
            batch["category"],
            weight=self.weights.to(answers.category_logits.device),
            ignore_index=NO_CATEGORY,
        )


def fake_loss(config: TrainConfig) -> FakeLoss:
    """Return the real/fake loss of a configuration."""
    return FakeLoss(
        focal=config.loss == "focal",
        alpha=config.focal_alpha,
        gamma=config.focal_gamma,
        smoothing=config.label_smoothing,
        false_positive_cost=config.false_positive_cost,
    )


def loss_sum(config: TrainConfig, train_rows: Sequence[Row], fake: FakeLoss) -> LossSum:
    """Return the loss of a configuration; a further term is one entry more.

    Args:
        config: The configuration.
        train_rows: Give the category weights.
        fake: Of the real/fake head.
    """
    terms: dict[str, tuple[float, Term]] = {"fake": (1.0, fake)}
    if config.heads == "both" and config.category_weight:
        inverse = config.category_balance == "inverse"
        weights = category_weights(train_rows) if inverse else torch.ones(len(CATEGORIES))
        terms["category"] = (config.category_weight, CategoryLoss(weights))
    return LossSum(terms)


def category_weights(rows: Sequence[Row]) -> Tensor:
    """Inverse-frequency weight of each category, shape (3,), mean 1 over labelled rows."""
    counts = Counter[str](row.category for row in rows if row.category)
    present = max(1, len(counts))
    total = sum(counts.values())
    return torch.tensor(
        [total / (present * counts[name]) if counts[name] else 0.0 for name in CATEGORIES]
    )
