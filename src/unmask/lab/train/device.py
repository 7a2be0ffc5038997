"""Where a run computes."""

from __future__ import annotations

import torch

from unmask.lab.train.config import TrainConfig


def choose_device(config: TrainConfig) -> str:
    """Return ``cuda``, ``mps`` or ``cpu``.

    Raises:
        ValueError: The configuration asks for what is not there or does not fit.
    """
    there = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    device: str = config.device
    if device == "auto":
        device = next(name for name in there if there[name])
    if not there[device]:
        raise ValueError(f"device={device} was asked for, but PyTorch finds none on this machine.")
    if device == "cpu" and config.precision == "16-mixed":
        raise ValueError("precision=16-mixed needs a GPU; on the CPU use bf16-mixed or 32-true.")
    if device == "cuda" and config.devices > torch.cuda.device_count():
        raise ValueError(
            f"devices={config.devices} were asked for, but this machine has "
            f"{torch.cuda.device_count()} GPUs."
        )
    if device == "mps" and config.devices > 1:
        raise ValueError("With MPS one process trains; set devices=1.")
    return device


def choose_precision(device: str, config: TrainConfig) -> str:
    """Return Lightning's precision flag for a device."""
    if config.precision != "auto":
        return config.precision
    return "32-true" if device == "cpu" else "bf16-mixed"


def describe(device: str, config: TrainConfig) -> str:
    """Say where a run computes, in words."""
    name = {"cuda": "CUDA", "mps": "MPS", "cpu": "the CPU"}[device]
    if device == "cuda":
        name += f" ({torch.cuda.get_device_name()})"
    if device == "cpu":
        name += f" ({torch.get_num_threads()} threads)"
    many = f" in {config.devices} processes" if config.devices > 1 else ""
    return f"Training on {name}{many}, precision {choose_precision(device, config)}."
