"""The one door to a model, whatever it is: the shipped one, a file, an ensemble, a training run."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path

from unmask.model.card import ModelError
from unmask.model.ensemble import SUFFIX, Ensemble
from unmask.model.model import Device, Model
from unmask.model.onnx_model import OnnxModel

SHIPPED = Path(__file__).parents[1] / "weights" / "unmask.onnx"
_RUN_SUFFIX = ".safetensors"
_OPENERS = "unmask.models"
"""Entry points of this group open what is no ONNX file; the lab registers one for training runs."""


def open_model(
    model: str | Path | Model | None = None,
    *,
    device: Device = "auto",
    threads: int | None = None,
) -> Model:
    """Open a model.

    Args:
        model: An ONNX file with its card beside it; an ``.ensemble`` file; the folder of a training
            run, or the weights in it, which need the extra ``train``; None for the model that ships
            with unmask; an opened model is returned as it is.
        device: ``auto`` takes a GPU where there is one.
        threads: Pictures at a time, each on one core; None for one a core.

    Raises:
        ModelError: It cannot be opened; the message is one sentence.
    """
    if isinstance(model, Model):
        return model
    path = SHIPPED if model is None else Path(model)
    if path.suffix == SUFFIX:
        return Ensemble(path, device=device, threads=threads)
    if path.is_dir() or path.suffix == _RUN_SUFFIX:
        return _open_run(path, device)
    return OnnxModel(path, device=device, threads=threads)


def _open_run(path: Path, device: Device) -> Model:
    for opener in entry_points(group=_OPENERS, name="run"):
        try:
            opened = opener.load()(path, device=device)
        except ModuleNotFoundError as error:
            raise ModelError(
                f"{path} is a training run, which needs the package '{error.name}': "
                "pip install 'unmask[train]', or `unmask export` it first."
            ) from None
        if isinstance(opened, Model):
            return opened
    raise ModelError(f"{path} is a folder, and nothing that is installed opens it as a model.")
