"""Write a run's log and curves as it goes."""

from __future__ import annotations

import csv
import time
from pathlib import Path

import lightning as L

from unmask.lab.files import write_csv

COLUMNS = (
    "epoch", "seconds", "learning_rate", "train_loss", "train_accuracy", "train_auc", "val_loss",
    "val_accuracy", "val_auc", "val_auc_by_source", "val_category_accuracy",
)  # fmt: skip
LOG_FILE, CURVES_FILE = "training_log.csv", "curves.png"
_PANELS = {
    "loss": ("train_loss", "val_loss"),
    "accuracy": ("train_accuracy", "val_accuracy", "val_category_accuracy"),
    "AUC": ("train_auc", "val_auc", "val_auc_by_source"),
}


class EpochLog(L.Callback):
    """Add a row to ``training_log.csv`` and redraw ``curves.png`` after every epoch."""

    def __init__(self, out: Path) -> None:
        self.path, self.curves = out / LOG_FILE, out / CURVES_FILE
        self.started = time.monotonic()

    def on_train_epoch_start(self, trainer: L.Trainer, _: L.LightningModule) -> None:
        """Start the epoch's clock."""
        self.started = time.monotonic()

    def on_train_epoch_end(self, trainer: L.Trainer, _: L.LightningModule) -> None:
        """Write the epoch's row; an epoch that is trained again after a crash replaces its row."""
        if not trainer.is_global_zero:
            return
        figures = {name: float(value) for name, value in trainer.callback_metrics.items()}
        figures["learning_rate"] = trainer.optimizers[0].param_groups[0]["lr"]
        figures["seconds"] = time.monotonic() - self.started
        row = {"epoch": str(trainer.current_epoch)}
        row |= {name: f"{figures.get(name, float('nan')):.6g}" for name in COLUMNS[1:]}
        rows = [r for r in read_log(self.path) if int(r["epoch"]) < trainer.current_epoch]
        write_log(self.path, [*rows, row])
        draw_curves(self.path, self.curves)


def read_log(path: Path) -> list[dict[str, str]]:
    """Read ``training_log.csv``; an absent file has no rows."""
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def write_log(path: Path, rows: list[dict[str, str]]) -> None:
    """Write ``training_log.csv``."""
    write_csv(path, COLUMNS, [[row.get(name, "nan") for name in COLUMNS] for row in rows])


def draw_curves(log: Path, out: Path) -> None:
    """Draw loss, accuracy and AUC against the epoch, as a PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = read_log(log)
    epochs = [int(row["epoch"]) + 1 for row in rows]
    figure = Figure(figsize=(12, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (title, names) in zip(figure.subplots(1, 3), _PANELS.items(), strict=True):
        for name in names:
            values = [float(row.get(name) or "nan") for row in rows]
            axes.plot(epochs, values, marker=".", label=name.replace("_", " "))
        axes.set(title=title, xlabel="epoch")
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(out, dpi=100)
