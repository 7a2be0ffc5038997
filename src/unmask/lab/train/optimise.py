"""Optimiser and schedule of a configuration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from unmask.lab.train.config import TrainConfig

_PLATEAU_PATIENCE = 2


def optimisation(
    parameters: Sequence[nn.Parameter], config: TrainConfig, steps: int, monitor: str
) -> dict[str, Any]:
    """Make what Lightning's ``configure_optimizers`` returns.

    Biases and norms are not decayed; frozen parameters are left out.

    Args:
        parameters: Of the network.
        config: Names optimiser and schedule.
        steps: Steps of the optimiser in the whole run.
        monitor: The figure whose standstill lowers the rate of ``plateau``.
    """
    optimizer = _optimizer([p for p in parameters if p.requires_grad], config)
    if config.schedule == "plateau":
        schedule: Any = torch.optim.lr_scheduler.ReduceLROnPlateau(
            optimizer, mode="max", factor=1 / 3, patience=_PLATEAU_PATIENCE
        )
        place = {"scheduler": schedule, "interval": "epoch", "monitor": monitor}
    else:
        place = {"scheduler": _stepwise(optimizer, config, steps), "interval": "step"}
    return {"optimizer": optimizer, "lr_scheduler": place}


def _optimizer(parameters: Sequence[nn.Parameter], config: TrainConfig) -> torch.optim.Optimizer:
    groups = [
        {"params": [p for p in parameters if p.ndim > 1]},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    rates = {"lr": config.learning_rate, "weight_decay": config.weight_decay}
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, momentum=0.9, nesterov=True, **rates)
    kind = torch.optim.AdamW if config.optimizer == "adamw" else torch.optim.Adam
    return kind(groups, **rates)


def _stepwise(optimizer: torch.optim.Optimizer, config: TrainConfig, steps: int) -> Any:
    schedules = torch.optim.lr_scheduler
    warm = max(1, round(config.warmup * steps))
    if config.schedule == "one-cycle":
        # One step more than are taken: the scheduler also counts the one before the first.
        rise = config.warmup or 0.3
        return schedules.OneCycleLR(optimizer, config.learning_rate, steps + 1, pct_start=rise)
    if config.schedule == "cosine":
        after: Any = schedules.CosineAnnealingLR(optimizer, max(1, steps - warm))
    else:
        after = schedules.ConstantLR(optimizer, factor=1.0, total_iters=1)
    rise_up = schedules.LinearLR(optimizer, 1e-2, 1.0, warm)
    return schedules.SequentialLR(optimizer, [rise_up, after], [warm])
