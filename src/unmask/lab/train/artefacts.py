"""What a run leaves behind: its configuration, environment and weights."""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from unmask import __version__
from unmask.files import write_whole
from unmask.lab.data.manifest import Row
from unmask.lab.files import claim, is_claimed, write_csv, write_json
from unmask.lab.train.config import TrainConfig
from unmask.lab.train.log import LOG_FILE, read_log
from unmask.lab.train.module import CHECKPOINT_KEY, MONITOR

WEIGHTS_FILE = "best.safetensors"
LAST_FILE = "last.ckpt"
CONFIG_FILE = "config.json"
ENVIRONMENT_FILE = "environment.json"
DATA_FILE = "data.json"
FAULTS_FILE = "faults.json"
UNREADABLE_FILE = "unreadable.csv"
_PACKAGES = ("torch", "torchvision", "timm", "lightning", "numpy", "pillow")
# Weights, their average and two moments of Adam, in the best and in the last checkpoint.
_COPIES = 2 * 4 + 1


def check_folder(out: Path, config: TrainConfig, faults: Sequence[str] = ()) -> None:
    """Make the run's folder, or refuse one that holds another run.

    Args:
        out: The run's folder.
        config: The run's configuration.
        faults: That are put into it, in words.

    Raises:
        ValueError: It holds a run of another configuration.
    """
    out.mkdir(parents=True, exist_ok=True)
    if is_claimed(out, CONFIG_FILE, _as_json(config)) and faults_of(out) != list(faults):
        raise ValueError(f"{out} holds a run with other faults; name another folder.")


def claim_folder(out: Path, config: TrainConfig, faults: Sequence[str], device: str) -> None:
    """Write the run's configuration and environment; what an earlier start wrote stays."""
    if is_claimed(out, CONFIG_FILE, _as_json(config)):
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
    write_json(out / ENVIRONMENT_FILE, environment)
    if faults:
        write_json(out / FAULTS_FILE, list(faults))
    claim(out, CONFIG_FILE, _as_json(config))


def faults_of(run: Path) -> list[str]:
    """Return the faults that were put into a run, in words, whoever tells of them.

    Its folder may be mended; the weights themselves carry the faults too.
    """
    told: list[str] = []
    if (run / FAULTS_FILE).is_file():
        told = json.loads((run / FAULTS_FILE).read_text(encoding="utf-8"))
    if (run / WEIGHTS_FILE).is_file():
        told += json.loads(_metadata(run / WEIGHTS_FILE).get("faults", "[]"))
    return list(dict.fromkeys(told))


def write_data(out: Path, train_rows: Sequence[Row]) -> None:
    """Write how many training pictures each source gave."""
    pictures = Counter(row.source for row in train_rows)
    write_json(out / DATA_FILE, dict(sorted(pictures.items())))


def write_unreadable(out: Path, rows: Sequence[Row]) -> None:
    """Write which pictures could not be read; no file where all could."""
    if rows:
        write_csv(out / UNREADABLE_FILE, ("path", "split"), [(row.path, row.split) for row in rows])


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

    The file's header carries the configuration, the faults, the figures of the epoch, and the
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
        **saved[CHECKPOINT_KEY],
        "metrics": json.dumps(best_figures(out)),
        "environment": (out / ENVIRONMENT_FILE).read_text(),
    }
    write_whole(out / WEIGHTS_FILE, save(network, metadata))
    return out / WEIGHTS_FILE


def best_figures(run: Path) -> dict[str, float]:
    """Return the log's figures of the epoch whose weights are kept; empty without a log."""
    rows = read_log(run / LOG_FILE)
    if not rows:
        return {}
    best = max(rows, key=lambda row: float(row[MONITOR]))
    return {name: float(value) for name, value in best.items()}


def _metadata(weights: Path) -> dict[str, str]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(weights, framework="pt") as file:
            return dict(file.metadata() or {})
    except SafetensorError:
        raise ValueError(f"{weights} is not a safetensors file.") from None


def _as_json(config: TrainConfig) -> dict[str, Any]:
    return config.model_dump(mode="json")


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
