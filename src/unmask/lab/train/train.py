"""Run a training: from a manifest to a folder with weights, log and curves."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import (
    EarlyStopping,
    EMAWeightAveraging,
    ModelCheckpoint,
    RichProgressBar,
)
from lightning.pytorch.loggers import TensorBoardLogger

from unmask.lab.data.cache import PictureCache
from unmask.lab.data.manifest import Row, check_trainable, select
from unmask.lab.train.artefacts import CONFIG_FILE as CONFIG_FILE
from unmask.lab.train.artefacts import DATA_FILE as DATA_FILE
from unmask.lab.train.artefacts import ENVIRONMENT_FILE as ENVIRONMENT_FILE
from unmask.lab.train.artefacts import (
    LAST_FILE,
    check_folder,
    check_room,
    claim_folder,
    keep_best,
    write_data,
    write_unreadable,
)
from unmask.lab.train.artefacts import WEIGHTS_FILE as WEIGHTS_FILE
from unmask.lab.train.config import TrainConfig
from unmask.lab.train.dataset import EvaluationViews, Reader, TrainingViews, loader, read_pixels
from unmask.lab.train.device import choose_device, choose_precision, describe
from unmask.lab.train.faults import (
    Faults,
    SkippedGradients,
    spoil_labels,
    spoil_loss,
    spoil_views,
)
from unmask.lab.train.log import EpochLog
from unmask.lab.train.losses import fake_loss
from unmask.lab.train.mining import MineHardExamples, read_hard
from unmask.lab.train.module import MONITOR, Training
from unmask.lab.train.notices import fault_banner, notify
from unmask.lab.train.pseudo import add_pseudo_fakes
from unmask.lab.train.samplers import Shard, create_sampler
from unmask.picture.views import ViewPlan

log = logging.getLogger(__name__)


def train(
    rows: Sequence[Row],
    out: Path,
    config: TrainConfig,
    *,
    progress: bool = True,
    cache: Path | None = None,
    hard: Path | None = None,
    faults: Faults | None = None,
) -> Path:
    """Train a network and keep the weights of the best validation epoch.

    A run that was interrupted resumes from ``out/last.ckpt`` when called again with the same
    configuration; one that is finished is left as it is. The folder receives ``config.json``,
    ``environment.json``, ``data.json`` (training pictures by source), ``last.ckpt``,
    ``best.safetensors``, ``training_log.csv``, ``curves.png``, TensorBoard's files, and
    ``unreadable.csv`` where pictures could not be read.

    Args:
        rows: A manifest's rows; only ``train`` and ``val`` are read.
        out: The run's folder.
        config: What to train and how.
        progress: Show a progress bar.
        cache: A folder that `unmask data cache` made, to read decoded pictures from.
        hard: A ranking of hard examples; those at its top are drawn more often.
        faults: Put in on purpose.

    Returns:
        The path of ``best.safetensors``.

    Raises:
        ManifestError: The data cannot be trained on.
        ValueError: The folder holds a run of another configuration, weights are missing, the disk
            is too full, or the device is not there.
    """
    faults = faults or Faults()
    rows = [row for row in rows if row.split != "test"]
    check_trainable(rows)
    manifest_rows, val_rows = select(rows, "train"), select(rows, "val")
    train_rows = spoil_labels(manifest_rows, faults, config.seed)
    train_rows = add_pseudo_fakes(train_rows, config)
    steps = _steps(len(train_rows), config)
    device = choose_device(config)
    read = _reader(rows, cache)
    factors = read_hard(hard, train_rows, config.mining) if hard else {}
    check_folder(out, config, faults.active)
    if (out / WEIGHTS_FILE).is_file():
        notify(f"{out} holds a finished run; it is left as it is.")
        return out / WEIGHTS_FILE
    fault_banner(faults)
    L.seed_everything(config.seed, workers=True, verbose=False)
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)

    sampler = create_sampler(train_rows, config)
    if factors:
        sampler.boost(factors)
    train_data = spoil_views(TrainingViews(train_rows, config, read), faults)
    val_data = EvaluationViews(val_rows, _monitor_plan(config.views), config.scale, read)
    loaders = {
        "train_dataloaders": loader(train_data, config, sampler=sampler, drop_last=True),
        "val_dataloaders": loader(val_data, config, sampler=Shard(len(val_rows))),
    }
    last = out / LAST_FILE
    resume = last.is_file()
    module = Training(
        config,
        train_rows,
        val_rows,
        steps,
        pretrained=not resume,
        loss=spoil_loss(fake_loss(config), faults),
        faults=faults.active,
    )
    check_room(out, sum(p.numel() for p in module.network.parameters()))
    # Only now: a run that could not start leaves the folder free for a better one.
    claim_folder(out, config, faults.active, device)
    write_data(out, manifest_rows)
    # Both after the epoch's row is in the log, so that no checkpoint is ahead of it. The last one
    # apart from the best: as an option of that one it would wait for the next better epoch.
    often = {"save_on_train_epoch_end": True, "enable_version_counter": False}
    best = ModelCheckpoint(out, filename="best", monitor=MONITOR, mode="max", **often)
    newest = ModelCheckpoint(out, filename=Path(LAST_FILE).stem, **often)
    callbacks: list[Any] = [best, newest]
    callbacks.append(MineHardExamples(config.mining, train_rows, sampler, out, read))
    if faults.skipped_gradients:
        callbacks.append(SkippedGradients(faults.skipped_gradients, config.seed))
    trainer = _trainer(out, config, device, callbacks, progress=progress)
    notify(describe(device, config))
    with warnings.catch_warnings():
        # Lightning's advice on workers and logging is not for who runs a command.
        warnings.filterwarnings("ignore", module="lightning")
        trainer.fit(module, **loaders, ckpt_path=last if resume else None, weights_only=False)
    if trainer.is_global_zero:
        _report_unreadable(out, module, train_rows, val_rows)
        keep_best(Path(best.best_model_path), out)
    trainer.strategy.barrier()
    return out / WEIGHTS_FILE


def _reader(rows: Sequence[Row], cache: Path | None) -> Reader:
    if cache is None:
        return read_pixels
    pictures = PictureCache(cache)
    pictures.check(rows)
    return pictures.read


def _steps(pictures: int, config: TrainConfig) -> int:
    """Return the optimiser's steps in the whole run.

    Raises:
        ValueError: There are fewer pictures than one step needs.
    """
    batches = pictures // config.devices // config.batch_size
    if not batches:
        raise ValueError(
            f"batch_size={config.batch_size} in {config.devices} process(es) needs more than the "
            f"{pictures} training pictures."
        )
    return config.epochs * -(-batches // config.accumulate)


def _monitor_plan(views: ViewPlan) -> ViewPlan:
    # Two views tell epochs apart as well as all do, at a fraction of the time.
    return views.model_copy(update={"crops": min(1, views.crops)})


def _trainer(
    out: Path, config: TrainConfig, device: str, callbacks: list[Any], *, progress: bool
) -> L.Trainer:
    if config.ema_decay:
        callbacks.append(EMAWeightAveraging(decay=config.ema_decay))
    callbacks += [EarlyStopping(MONITOR, mode="max", patience=config.patience), EpochLog(out)]
    if progress:
        callbacks.append(RichProgressBar())
    return L.Trainer(
        max_epochs=config.epochs,
        accelerator=device,
        devices=config.devices,
        strategy="ddp" if config.devices > 1 else "auto",
        precision=choose_precision(device, config),
        callbacks=callbacks,
        default_root_dir=out,
        logger=TensorBoardLogger(out, name="tensorboard", version=""),
        enable_progress_bar=progress,
        enable_model_summary=False,
        gradient_clip_val=config.clip or None,
        accumulate_grad_batches=config.accumulate,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
    )


def _report_unreadable(
    out: Path, module: Training, train_rows: Sequence[Row], val_rows: Sequence[Row]
) -> None:
    """Say at the end how many pictures were skipped."""
    found = [train_rows[index] for index in sorted(module.unreadable["train"])]
    found += [val_rows[index] for index in sorted(module.unreadable["val"])]
    write_unreadable(out, found)
    if found:
        many = len({row.path for row in found})
        notify(
            f"{many} picture{' was' if many == 1 else 's were'} skipped as unreadable, the first "
            f"is {found[0].path}."
        )
