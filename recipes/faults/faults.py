"""Put every fault into the same small training and write what it does to the curves.

    python recipes/faults/faults.py --data ../shared/data/manifest.csv

Trains a small network on face pictures, once for each fault and once without any (about half a
CPU minute each), and writes faults.csv, faults.png and faults.md in reports/faults. The test split
is not touched. What is finished is kept in --runs and not made again.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from unmask.lab.data.cache import INDEX_FILE, write_cache
from unmask.lab.data.manifest import read_manifest
from unmask.lab.data.splits import deal
from unmask.lab.evaluate.markdown import table
from unmask.lab.files import write_csv
from unmask.lab.train.config import read_config
from unmask.lab.train.faults import Faults
from unmask.lab.train.log import read_log
from unmask.lab.train.train import train

SOURCES = ("hard-faces", "ffhq-stylegan2", "sd3-portraits", "web-faces")
SIDE = 64
SHARES = {"train": 0.45, "val": 0.55}
SETTINGS = [
    "backbone=cnn", "pretrained=none", "heads=binary", "dropout=0", f"views.size={SIDE}",
    "views.crops=0", "scale=unit", "augmentation=none", "sampler=shuffled", "label_smoothing=0",
    "epochs=10", "patience=10", "batch_size=16", "learning_rate=1e-3", "optimizer=adam",
    "weight_decay=0", "schedule=constant", "warmup=0", "ema_decay=0", "precision=32-true",
    "workers=0",
]  # fmt: skip
FAULTS = {
    "none": Faults(),
    "label noise 0.2": Faults(label_noise=0.2),
    "label noise 0.4": Faults(label_noise=0.4),
    "input noise 40": Faults(input_noise=40),
    "shuffled labels": Faults(shuffled_labels=True),
    "wrong loss": Faults(wrong_loss=True),
    "skipped gradients 0.9": Faults(skipped_gradients=0.9),
}
COLUMNS = (
    "epoch", "train_loss", "train_accuracy", "train_auc", "val_loss", "val_accuracy", "val_auc",
)  # fmt: skip
PANELS = {"training loss": "train_loss", "training AUC": "train_auc", "validation AUC": "val_auc"}

Logs = dict[str, list[dict[str, str]]]


def draw(logs: Logs, path: Path) -> None:
    """Draw training loss and both AUCs, a line a fault."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 4), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (title, column) in zip(figure.subplots(1, 3), PANELS.items(), strict=True):
        for fault, rows in logs.items():
            epochs = [int(row["epoch"]) + 1 for row in rows]
            axes.plot(epochs, [float(row[column]) for row in rows], marker=".", label=fault)
        axes.set(title=title, xlabel="epoch")
        axes.grid(alpha=0.3)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=len(logs))
    figure.savefig(path, dpi=90)


def write_page(logs: Logs, pictures: dict[str, int], path: Path) -> None:
    """Write the page around curves and table."""
    lines = [
        "# What faults look like",
        "",
        "    python recipes/faults/faults.py --data $DATA/manifest.csv",
        "",
        "This command made the page: the same small network (three convolutions, "
        f"{SIDE} pixels, {read_config(None, SETTINGS).epochs} epochs) on the same faces of "
        f"{', '.join(SOURCES)} ({pictures['train']} for training, {pictures['val']} for "
        "validation, none of the test split), once for each fault. A fault touches the training "
        "alone; validation keeps its true labels and clean pictures. Every curve is in "
        "[faults.csv](faults.csv).",
        "",
        "![Training loss, training AUC and validation AUC of every fault](faults.png)",
        "",
        "After the last epoch:",
        "",
    ]
    names = ("train_loss", "train_auc", "val_auc", "val_accuracy")
    figures = ("training loss", "training AUC", "validation AUC", "validation accuracy")
    cells = [
        (fault, *(f"{float(rows[-1][name]):.3f}" for name in names)) for fault, rows in logs.items()
    ]
    lines += table(("fault", *figures), cells, "|".join(figures))
    lines += [
        "",
        *_readings(logs),
        "",
        "The same faults go into any run: `unmask train ... --fault label_noise=0.2`. It prints a "
        "banner, says so in its checkpoints (`unmask inspect`), and cannot be exported.",
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _readings(logs: Logs) -> list[str]:
    """Say what can be read from the curves, with the figures of this very run."""
    last = {
        fault: {name: float(rows[-1][name]) for name in COLUMNS} for fault, rows in logs.items()
    }
    aucs = [float(row["val_auc"]) for row in logs["shuffled labels"]]
    clean, wrong = last["none"], last["wrong loss"]
    skipped = [float(row["train_loss"]) for row in logs["skipped gradients 0.9"]]
    return [
        f"- **Shuffled labels**: validation AUC {aucs[-1]:.3f} after the last epoch, "
        f"{sum(aucs) / len(aucs):.3f} in the mean over epochs, {min(aucs):.3f} to {max(aucs):.3f} "
        "on the way: a network that has learned nothing still orders pictures by something, "
        "brightness for instance, and that has to do with the label by chance, now one way round "
        "and now the other. Training loss stays at log 2 = 0.693. If your pipeline does better "
        "than that on shuffled labels, the label leaks in by another way.",
        f"- **Label noise** is seen in training first: at a rate of 0.2 training AUC, measured "
        f"against the spoiled labels, falls from {clean['train_auc']:.3f} to "
        f"{last['label noise 0.2']['train_auc']:.3f}, validation AUC only from "
        f"{clean['val_auc']:.3f} to {last['label noise 0.2']['val_auc']:.3f}. At 0.4 so few "
        f"pictures teach next to nothing ({last['label noise 0.4']['val_auc']:.3f}).",
        f"- **Input noise** of 40 grey levels on training views costs little here "
        f"({last['input noise 40']['val_auc']:.3f}): these sources differ in more than fine "
        "traces. Training loss lies above that of the clean run, validation loss with it.",
        f"- **Wrong loss**, the sigmoid applied twice: what the loss takes for the probability of "
        "fake cannot fall below a half, so that the best answer to any real picture drives the "
        "inner sigmoid to 0, where there is no gradient any more. Loss "
        f"{wrong['train_loss']:.3f} = log 2 and AUC exactly "
        f"{wrong['val_auc']:.3f}, epoch after epoch, are the mark of it.",
        f"- **Skipped gradients** at a rate of 0.9: the loss jumps (up to {max(skipped):.2f}), for "
        "in steps without a gradient Adam goes on by the average of past ones, and learning is "
        f"slow ({last['skipped gradients 0.9']['val_auc']:.3f}).",
    ]


def main() -> None:
    """Train what is not finished, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--runs", type=Path, default=Path("runs/faults"))
    parser.add_argument("--docs", type=Path, default=Path("docs"))
    parser.add_argument("--only", choices=list(FAULTS), help="train this one and write nothing")
    options = parser.parse_args()
    own = [r for r in read_manifest(options.data) if r.source in SOURCES and r.split != "test"]
    rows = deal(own, seed=0, shares=SHARES)
    cache = options.runs / "cache"
    if not (cache / INDEX_FILE).is_file():
        write_cache(rows, cache, shorter_side=SIDE)
    logs: Logs = {}
    for fault in [options.only] if options.only else FAULTS:
        run = options.runs / fault.replace(" ", "-")
        config = read_config(None, SETTINGS)
        train(rows, run, config, progress=False, cache=cache, faults=FAULTS[fault])
        logs[fault] = read_log(run / "training_log.csv")
    if options.only:
        return
    pictures = {split: sum(row.split == split for row in rows) for split in SHARES}
    lines = [
        (fault, *(row[name] for name in COLUMNS)) for fault, own in logs.items() for row in own
    ]
    write_csv(options.docs / "faults.csv", ("fault", *COLUMNS), lines)
    draw(logs, options.docs / "faults.png")
    write_page(logs, pictures, options.docs / "faults.md")


if __name__ == "__main__":
    main()
