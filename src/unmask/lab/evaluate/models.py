"""Open whatever can be judged: the shipped model, an ONNX file, an ensemble, a training run."""

from __future__ import annotations

from pathlib import Path

from unmask.model.base import Device, ViewModel
from unmask.model.ensemble import load_model

CHECKPOINT = ".safetensors"


def open_model(path: Path | None, device: Device = "auto") -> ViewModel:
    """Load a model.

    Args:
        path: An ONNX file; an ``.ensemble`` of several; the folder of a training run or the weights
            in it, which need PyTorch; None for the shipped model.
        device: ``auto`` takes a GPU where there is one.

    Raises:
        ModelError: It cannot be loaded.
        ModuleNotFoundError: A training run was named, and PyTorch is not installed.
    """
    if path is not None and (path.is_dir() or path.suffix == CHECKPOINT):
        from unmask.lab.train.run_model import Checkpoint

        return Checkpoint(path, device=device)
    return load_model(path, device)
