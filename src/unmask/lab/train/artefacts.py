"""What a run leaves behind: its configuration, environment and weights."""

from __future__ import annotations

import csv
import json
import os
import platform
import shutil
import subprocess
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from unmask import __version__
from unmask.lab.data.manifest import Row
from unmask.lab.train.config import TrainConfig
from unmask.lab.train.log import LOG_FILE, read_log
from unmask.lab.train.module import CHECKPOINT_KEY, MONITOR

WEIGHTS_FILE = "best.safetensors"
LAST_FILE = "last.ckpt"
CONFIG_FILE = "config.json"
ENVIRONMENT_FILE = "environment.json"
DATA_FILE = "data.json"
UNREADABLE_FILE = "unreadable.csv"
_PACKAGES = ("torch", "torchvision", "timm", "lightning", "numpy", "pillow")
# Weights, their average and two moments of Adam, in the best and in the last checkpoint.
_COPIES = 2 * 4 + 1


def check_folder(out: Path, config: TrainConfig) -> None:
    """Make the run's folder, or refuse one that holds another run.

    Raises:
        ValueError: It holds a run of another configuration.
    """
    out.mkdir(parents=True, exist_ok=True)
    path = out / CONFIG_FILE
    if path.exists() and _read_config(path) != config:
        raise ValueError(f"{out} holds a run with another configuration; name another folder.")


def claim(out: Path, config: TrainConfig, device: str) -> None:
    """Write the run's configuration and environment; what an earlier start wrote stays."""
    path = out / CONFIG_FILE
    if path.exists():
        return
    environment = {
        "unmask": __version__,
        **{name: _version(name) for name in _PACKAGES},
        "python": platform.python_version(),
        "machine": platform.machine(),
        "device": device,
        "processes": config.devices,
        "revision": _revision(),
    }
    _write(out / ENVIRONMENT_FILE, json.dumps(environment, indent=2))
    _write(path, config.model_dump_json(indent=2))


def write_data(out: Path, train_rows: Sequence[Row]) -> None:
    """Write how many training pictures each source gave."""
    pictures = Counter(row.source for row in train_rows)
    _write(out / DATA_FILE, json.dumps(dict(sorted(pictures.items())), indent=2))


def write_unreadable(out: Path, rows: Sequence[Row]) -> None:
    """Write which pictures could not be read; no file where all could."""
    if rows:
        with (out / UNREADABLE_FILE).open("w", newline="", errors="surrogateescape") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("path", "split"))
            writer.writerows((row.path, row.split) for row in rows)


def check_room(out: Path, parameters: int) -> None:
    """Check that the disk can hold the run's checkpoints.

    Args:
        out: The run's folder.
        parameters: Of the network.

    Raises:
        ValueError: It cannot.
    """
    needed, free = _COPIES * 4 * parameters, shutil.disk_usage(out).free
    if free < needed:
        raise ValueError(
            f"The disk of {out} has {free / 1e6:.0f} MB left, and the checkpoints of this run need "
            f"{needed / 1e6:.0f} MB."
        )


def keep_best(checkpoint: Path, out: Path) -> Path:
    """Save the network of a checkpoint without what only training needs.

    The file's header carries the configuration, with its faults, the figures of the epoch, and the
    environment, all as JSON.

    Args:
        checkpoint: Lightning's, written by this run.
        out: The run's folder.
    """
    saved = torch.load(checkpoint, map_location="cpu", weights_only=False)
    prefix = "network."
    network = {
        name.removeprefix(prefix): tensor.contiguous()
        for name, tensor in saved["state_dict"].items()
        if name.startswith(prefix)
    }
    metadata = {
        "config": saved[CHECKPOINT_KEY]["config"],
        "metrics": json.dumps(best_figures(out)),
        "environment": (out / ENVIRONMENT_FILE).read_text(),
    }
    path, whole = out / WEIGHTS_FILE, out / f"{WEIGHTS_FILE}.new"
    save_file(network, whole, metadata)
    whole.replace(path)
    return path


def read_metadata(weights: Path) -> dict[str, str]:
    """Return what `keep_best` put into the header of a file of weights; empty where nothing was.

    Raises:
        ValueError: It is no safetensors file.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(weights, framework="pt") as file:
            return dict(file.metadata() or {})
    except SafetensorError:
        raise ValueError(f"{weights} is not a safetensors file.") from None


def best_figures(run: Path) -> dict[str, float]:
    """Return the log's figures of the epoch whose weights are kept; empty without a log."""
    rows = read_log(run / LOG_FILE)
    if not rows:
        return {}
    best = max(rows, key=lambda row: float(row[MONITOR]))
    return {name: float(value) for name, value in best.items()}


def _read_config(path: Path) -> TrainConfig | None:
    try:
        return TrainConfig.model_validate_json(path.read_text(encoding="utf-8"))
    except ValueError:
        return None


def _write(path: Path, text: str) -> None:
    """Write a file as a whole or not at all."""
    whole = path.with_name(f"{path.name}.new")
    with whole.open("w", encoding="utf-8") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    whole.replace(path)


def _version(package: str) -> Any:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _revision() -> str:
    """Return the git revision of the code, or '' outside a checkout."""
    folder = Path(__file__).parent
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()
