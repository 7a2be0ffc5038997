"""The Lightning module: losses, optimiser, schedule and validation figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lightning as L
import torch
from torch import Tensor
from torch.nn import functional as F
from torchmetrics.functional.classification import binary_auroc

from unmask.data.manifest import Row
from unmask.training.config import TrainConfig
from unmask.training.dataset import NO_CATEGORY, category_weights
from unmask.training.network import create_network


class Training(L.LightningModule):
    """Train both heads: ``BCE(fake logit) + w * CE(category logits)``.

    Args:
        config: The run's configuration.
        train_rows: Give the category weights.
        val_rows: Give each validation picture its source.
        steps: Optimiser steps in the whole run; the length of the schedule.
        pretrained: Load first weights; off when a checkpoint will replace them anyway.
    """

    def __init__(
        self,
        config: TrainConfig,
        train_rows: Sequence[Row],
        val_rows: Sequence[Row],
        steps: int,
        *,
        pretrained: bool = True,
    ) -> None:
        super().__init__()
        self.config, self.steps = config, steps
        weights = config.pretrained if pretrained else "none"
        network = create_network(config.backbone, weights, config.dropout)
        self.network = network.to(memory_format=torch.channels_last)
        self.register_buffer("category_weights", category_weights(train_rows), persistent=False)
        self.sources = [row.source for row in val_rows]
        self.answers: list[tuple[Tensor, Tensor, Tensor, Tensor, Tensor]] = []

    def training_step(self, batch: dict[str, Tensor] | None, _: int) -> Tensor | None:
        """Return the loss of one batch of single views; None where no picture was readable."""
        if batch is None:
            return None
        views = batch["views"].squeeze(1).contiguous(memory_format=torch.channels_last)
        fake_logit, category_logits = self.network(views)
        loss = self._loss(fake_logit, category_logits, batch)
        with torch.no_grad():
            correct = ((fake_logit > 0) == (batch["fake"] > 0.5)).float().mean()
        self.log("train_loss", loss, on_epoch=True, on_step=False, batch_size=len(views))
        self.log("train_accuracy", correct, on_epoch=True, on_step=False, batch_size=len(views))
        return loss

    def validation_step(self, batch: dict[str, Tensor] | None, _: int) -> None:
        """Answer for whole pictures: the mean of the logits over the views."""
        if batch is None:
            return
        pictures, count = batch["views"].shape[:2]
        flat = batch["views"].flatten(0, 1).contiguous(memory_format=torch.channels_last)
        fake_logit, category_logits = self.network(flat)
        self.answers.append(
            (
                fake_logit.float().view(pictures, count).mean(1),
                category_logits.float().view(pictures, count, -1).mean(1),
                batch["fake"],
                batch["category"],
                batch["index"],
            )
        )

    def on_validation_epoch_end(self) -> None:
        """Log the loss, accuracy and AUC, over all pictures and as a mean over sources."""
        if not self.answers:
            return
        columns = [torch.cat(column) for column in zip(*self.answers, strict=True)]
        self.answers.clear()
        fake_logit, category_logits, fake, category, index = columns
        target = fake.long()
        by_source = []
        names = [self.sources[i] for i in index.tolist()]
        for source in sorted(set(names)):
            mask = torch.tensor([name == source for name in names], device=target.device)
            if target[mask].unique().numel() == 2:
                by_source.append(binary_auroc(fake_logit[mask], target[mask]))
        auc = binary_auroc(fake_logit, target)
        batch = {"fake": fake, "category": category}
        labelled = category != NO_CATEGORY
        hits = (category_logits.argmax(1) == category)[labelled].float()
        self.log_dict(
            {
                "val_loss": self._loss(fake_logit, category_logits, batch),
                "val_accuracy": ((fake_logit > 0) == (fake > 0.5)).float().mean(),
                "val_auc": auc,
                "val_auc_by_source": torch.stack(by_source).mean() if by_source else auc,
                "val_category_accuracy": hits.mean() if len(hits) else torch.tensor(float("nan")),
            },
            prog_bar=True,
        )

    def configure_optimizers(self) -> Any:
        """Adam or AdamW (no decay on biases and norms), linear warm-up, then a cosine to zero."""
        config = self.config
        decayed = [p for p in self.network.parameters() if p.ndim > 1]
        free = [p for p in self.network.parameters() if p.ndim <= 1]
        kind = torch.optim.AdamW if config.optimizer == "adamw" else torch.optim.Adam
        optimizer = kind(
            [{"params": decayed}, {"params": free, "weight_decay": 0.0}],
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
        )
        warm = max(1, round(config.warmup * self.steps))
        rise = torch.optim.lr_scheduler.LinearLR(optimizer, 1e-2, 1.0, warm)
        fall = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(1, self.steps - warm))
        schedule = torch.optim.lr_scheduler.SequentialLR(optimizer, [rise, fall], [warm])
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def _loss(
        self, fake_logit: Tensor, category_logits: Tensor, batch: dict[str, Tensor]
    ) -> Tensor:
        smooth = self.config.label_smoothing
        target = batch["fake"] * (1 - smooth) + 0.5 * smooth
        loss = F.binary_cross_entropy_with_logits(fake_logit.float(), target)
        if (batch["category"] != NO_CATEGORY).any():
            loss = loss + self.config.category_weight * F.cross_entropy(
                category_logits.float(),
                batch["category"],
                weight=self.category_weights,
                ignore_index=NO_CATEGORY,
            )
        return loss
