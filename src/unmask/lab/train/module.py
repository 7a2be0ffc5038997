"""The Lightning module: steps, losses and validation figures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import lightning as L
import torch
import torch.distributed as dist
from torch import Tensor
from torchmetrics.functional.classification import binary_auroc

from unmask.lab.data.manifest import Row
from unmask.lab.train.config import TrainConfig
from unmask.lab.train.dataset import UNREADABLE
from unmask.lab.train.losses import (
    NO_CATEGORY,
    Batch,
    FakeLoss,
    NetworkAnswers,
    fake_loss,
    loss_sum,
)
from unmask.lab.train.network import network_for
from unmask.lab.train.optimise import optimisation

MONITOR = "val_auc_by_source"
CHECKPOINT_KEY = "unmask"
"""Key of a checkpoint under which the run's configuration stands."""


class Training(L.LightningModule):
    """Train a network by a weighted sum of losses.

    Args:
        config: The run's configuration.
        train_rows: Give the category weights.
        val_rows: Give each validation picture its source.
        steps: Optimiser steps in the whole run; the length of the schedule.
        pretrained: Load first weights; off when a checkpoint will replace them anyway.
        loss: Of the real/fake head; None for the configuration's own.
        faults: That are put into the run, in words.

    Attributes:
        epoch_losses: Index, real/fake loss and fake logit of every view of the epoch so far, one
            tuple a batch; what hard example mining and the training AUC are taken from.
        unreadable: Row numbers of the pictures that could not be read, by split.
    """

    def __init__(
        self,
        config: TrainConfig,
        train_rows: Sequence[Row],
        val_rows: Sequence[Row],
        steps: int,
        *,
        pretrained: bool = True,
        loss: FakeLoss | None = None,
        faults: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.config, self.steps, self.faults = config, steps, list(faults)
        network = network_for(config, pretrained=pretrained)
        self.network = network.to(memory_format=torch.channels_last)
        self.fake_loss = loss or fake_loss(config)
        self.loss = loss_sum(config, train_rows, self.fake_loss)
        self.sources = [row.source for row in val_rows]
        self.answers: list[tuple[Tensor, ...]] = []
        self.epoch_losses: list[tuple[Tensor, ...]] = []
        self.unreadable: dict[str, set[int]] = {"train": set(), "val": set()}

    def on_train_epoch_start(self) -> None:
        """Forget the losses of the epoch before."""
        self.epoch_losses.clear()

    def training_step(self, batch: Batch, _: int) -> Tensor | None:
        """Return the loss of one batch of single views; None where no picture was readable."""
        self.unreadable["train"].update(batch[UNREADABLE].tolist())
        if "views" not in batch:
            # Processes that train together wait for one another's gradients, be they zero.
            alone = self.trainer.world_size == 1
            return None if alone else self._nothing()
        views = batch["views"].squeeze(1).contiguous(memory_format=torch.channels_last)
        answers = self._answer(views)
        loss = self.loss(answers, batch | {"views": views})
        with torch.no_grad():
            fake_logit = answers.fake_logit.detach()
            correct = ((fake_logit > 0) == (batch["fake"] > 0.5)).float().mean()
            each = self.fake_loss.each(fake_logit, batch["fake"])
            kept = (batch["index"], each, fake_logit, batch["fake"])
            self.epoch_losses.append(tuple(part.cpu() for part in kept))
        figures = {"train_loss": loss, "train_accuracy": correct}
        self.log_dict(figures, on_epoch=True, on_step=False, batch_size=len(views), sync_dist=True)
        return loss

    def validation_step(self, batch: Batch, _: int) -> None:
        """Answer for whole pictures: the mean of the logits over the views."""
        self.unreadable["val"].update(batch[UNREADABLE].tolist())
        if "views" not in batch:
            return
        pictures, count = batch["views"].shape[:2]
        flat = batch["views"].flatten(0, 1).contiguous(memory_format=torch.channels_last)
        answers = self._answer(flat)
        if self.config.mirrored:
            again = self._answer(flat.flip(-1).contiguous(memory_format=torch.channels_last))
            answers = NetworkAnswers(
                (answers.fake_logit + again.fake_logit) / 2,
                (answers.category_logits + again.category_logits) / 2,
            )
        self.answers.append(
            (
                answers.fake_logit.view(pictures, count).mean(1),
                answers.category_logits.view(pictures, count, -1).mean(1)
                if answers.category_logits.numel()
                else answers.category_logits.new_zeros(pictures, 0),
                batch["fake"],
                batch["category"],
                batch["index"],
            )
        )

    def on_validation_epoch_end(self) -> None:
        """Log the loss, accuracy and AUC, over all pictures and as a mean over sources."""
        gathered, trained = gather(self.answers), gather(self.epoch_losses)
        self.answers.clear()
        for split, parts in (("training", trained), ("validation", gathered)):
            if not parts:
                raise ValueError(f"None of the {split} pictures could be read.")
        for split, found in self.unreadable.items():
            everyone = gather([(torch.tensor(sorted(found), dtype=torch.long),)])
            self.unreadable[split] = {index for (part,) in everyone for index in part.tolist()}
        fake_logit, category_logits, fake, category, index = (
            torch.cat([one.to(self.device) for one in part]) for part in zip(*gathered, strict=True)
        )
        target = fake.long()
        names = [self.sources[i] for i in index.tolist()]
        by_source = []
        for source in sorted(set(names)):
            mask = torch.tensor([name == source for name in names], device=target.device)
            if target[mask].unique().numel() == 2:
                by_source.append(binary_auroc(fake_logit[mask], target[mask]))
        auc = binary_auroc(fake_logit, target)
        batch = {"fake": fake, "category": category}
        figures = {
            "val_loss": self.loss(NetworkAnswers(fake_logit, category_logits), batch),
            "val_accuracy": ((fake_logit > 0) == (fake > 0.5)).float().mean(),
            "val_auc": auc,
            MONITOR: torch.stack(by_source).mean() if by_source else auc,
            "val_category_accuracy": _hits(category_logits, category),
        }
        # The training epoch is complete by now.
        _, _, train_logit, train_fake = (torch.cat(part) for part in zip(*trained, strict=True))
        if train_fake.unique().numel() == 2:
            figures["train_auc"] = binary_auroc(train_logit, train_fake.long()).to(self.device)
        # Every process has gathered all answers, so that all log the same.
        self.log_dict(figures, prog_bar=True, sync_dist=True)

    def configure_optimizers(self) -> Any:
        """Return the configuration's optimiser and schedule."""
        return optimisation(list(self.network.parameters()), self.config, self.steps, MONITOR)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Put the configuration and the faults into the checkpoint."""
        checkpoint[CHECKPOINT_KEY] = {
            "config": self.config.model_dump_json(),
            "faults": json.dumps(self.faults),
        }

    def _answer(self, views: Tensor) -> NetworkAnswers:
        fake_logit, category_logits = self.network(views)
        return NetworkAnswers(fake_logit.float(), category_logits.float())

    def _nothing(self) -> Tensor:
        return torch.stack(
            [p.sum() * 0 for p in self.network.parameters() if p.requires_grad]
        ).sum()


def gather(parts: list[tuple[Tensor, ...]]) -> list[tuple[Tensor, ...]]:
    """Return what all processes that train together hold, in the order of the processes."""
    if not (dist.is_available() and dist.is_initialized()):
        return list(parts)
    everyone: list[list[tuple[Tensor, ...]]] = [[] for _ in range(dist.get_world_size())]
    dist.all_gather_object(everyone, [tuple(one.cpu() for one in part) for part in parts])
    return [part for one in everyone for part in one]


def _hits(category_logits: Tensor, category: Tensor) -> Tensor:
    labelled = category != NO_CATEGORY
    if not category_logits.shape[1] or not labelled.any():
        return torch.tensor(float("nan"))
    return (category_logits.argmax(1) == category)[labelled].float().mean()
