"""Run a training: from a manifest to a folder with weights, log and curves."""

from __future__ import annotations

import json
import logging
import platform
import subprocess
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import (
    EarlyStopping,
    EMAWeightAveraging,
    ModelCheckpoint,
    RichProgressBar,
)
from safetensors.torch import save_file
from torch.utils.data import DataLoader

from unmask import __version__
from unmask.data.manifest import Row, check_trainable, select
from unmask.prepare.views import ViewPlan
from unmask.training.config import TrainConfig
from unmask.training.dataset import BalancedPairs, EvaluationViews, TrainingViews, collate
from unmask.training.log import EpochLog
from unmask.training.module import Training

MONITOR = "val_auc_by_source"
WEIGHTS_FILE = "best.safetensors"
CONFIG_FILE = "config.json"
ENVIRONMENT_FILE = "environment.json"
DATA_FILE = "data.json"


def train(rows: Sequence[Row], out: Path, config: TrainConfig, *, progress: bool = True) -> Path:
    """Train a network and keep the weights of the best validation epoch.

    A run that was interrupted resumes from ``out/last.ckpt`` when called again with the same
    configuration. The folder receives ``config.json``, ``environment.json``, ``data.json``
    (training pictures by source), ``last.ckpt``, ``best.safetensors``, ``training_log.csv`` and
    ``curves.png``.

    Args:
        rows: A manifest's rows; only ``train`` and ``val`` are read.
        out: The run's folder.
        config: What to train and how.
        progress: Show a progress bar.

    Returns:
        The path of ``best.safetensors``.

    Raises:
        ManifestError: The data cannot be trained on.
        ValueError: The folder holds a run of another configuration, or weights are missing.
    """
    rows = [row for row in rows if row.split != "test"]
    check_trainable(rows)
    train_rows, val_rows = select(rows, "train"), select(rows, "val")
    _claim(out, config)
    pictures = Counter(row.source for row in train_rows)
    (out / DATA_FILE).write_text(json.dumps(dict(sorted(pictures.items())), indent=2) + "\n")
    L.seed_everything(config.seed, workers=True, verbose=False)
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)

    sampler = BalancedPairs(train_rows, config.seed)
    # Two views tell epochs apart as well as all do, at a fraction of the time.
    monitor_plan = ViewPlan(size=config.views.size, whole=True, crops=1)
    train_data = TrainingViews(train_rows, config)
    loaders = {
        "train_dataloaders": _loader(train_data, config, sampler=sampler, drop_last=True),
        "val_dataloaders": _loader(EvaluationViews(val_rows, monitor_plan), config),
    }
    last = out / "last.ckpt"
    resume = last.is_file()
    steps = config.epochs * max(1, len(train_rows) // config.batch_size)
    module = Training(config, train_rows, val_rows, steps, pretrained=not resume)
    best = ModelCheckpoint(
        out, filename="best", monitor=MONITOR, mode="max", save_last=True,
        enable_version_counter=False,
    )  # fmt: skip
    callbacks: list[Any] = [
        EMAWeightAveraging(decay=config.ema_decay),
        EarlyStopping(MONITOR, mode="max", patience=config.patience),
        best,
        EpochLog(out),
    ]
    if progress:
        callbacks.append(RichProgressBar())
    trainer = L.Trainer(
        max_epochs=config.epochs,
        precision=config.precision,
        callbacks=callbacks,
        default_root_dir=out,
        logger=False,
        enable_progress_bar=progress,
        enable_model_summary=False,
        gradient_clip_val=1.0,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        devices=1,
    )
    trainer.fit(module, **loaders, ckpt_path=last if resume else None, weights_only=False)
    return _keep_best(Path(best.best_model_path), out)


def _claim(out: Path, config: TrainConfig) -> None:
    """Write the run's configuration, or refuse a folder that holds another run."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / CONFIG_FILE
    if path.exists():
        if TrainConfig.model_validate_json(path.read_text()) != config:
            raise ValueError(f"{out} holds a run with another configuration; name another folder.")
        return
    path.write_text(config.model_dump_json(indent=2) + "\n")
    environment = {
        "unmask": __version__,
        "torch": torch.__version__,
        "lightning": L.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "revision": _revision(),
    }
    (out / ENVIRONMENT_FILE).write_text(json.dumps(environment, indent=2) + "\n")


def _revision() -> str:
    """Return the git revision of the code, or '' outside a checkout."""
    folder = Path(__file__).parent
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()


def _loader(data: Any, config: TrainConfig, **options: Any) -> DataLoader[Any]:
    return DataLoader(
        data,
        batch_size=config.batch_size,
        num_workers=config.workers,
        collate_fn=collate,
        persistent_workers=config.workers > 0,
        pin_memory=torch.cuda.is_available(),
        **options,
    )


def _keep_best(checkpoint: Path, out: Path) -> Path:
    """Save the network of a checkpoint without what only training needs."""
    state = torch.load(checkpoint, map_location="cpu", weights_only=False)["state_dict"]
    prefix = "network."
    network = {
        name.removeprefix(prefix): tensor.contiguous()
        for name, tensor in state.items()
        if name.startswith(prefix)
    }
    path = out / WEIGHTS_FILE
    save_file(network, path)
    return path
