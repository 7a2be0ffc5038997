"""Look into a checkpoint without trusting it."""

from __future__ import annotations

import json
import math
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from unmask.lab.train.artefacts import WEIGHTS_FILE
from unmask.lab.train.config import TrainConfig
from unmask.lab.train.module import CHECKPOINT_KEY
from unmask.model.ensemble import SUFFIX
from unmask.model.open import open_model

_MAX_HEADER_TEXT = 1_000_000
_MAX_FAULTS = 1_000


@dataclass(frozen=True)
class Inspection:
    """What a checkpoint says of itself.

    Attributes:
        path: The file.
        kind: Of file, in words.
        parameters: Numbers in its tensors; None where it has none of its own.
        tensors: Number of tensors.
        config: Of the run; None where the file does not carry one that this version can read.
        metrics: Figures of the epoch whose weights these are.
        environment: Where it was trained.
        faults: That were put into the run on purpose, in words.
        note: Why something is missing, in a sentence.
    """

    path: Path
    kind: str
    parameters: int | None = None
    tensors: int | None = None
    config: TrainConfig | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    faults: tuple[str, ...] = ()
    note: str = ""


def inspect(path: Path, *, trust: bool = False) -> Inspection:
    """Read what a checkpoint is; no tensor is loaded from a safetensors file.

    Args:
        path: A ``.safetensors`` file, the folder of a run, a ``.ckpt``, or an ONNX model with its
            card.
        trust: Open a pickle, which can run any code as it is read.

    Raises:
        ValueError: The file cannot be read, or is a pickle that is not trusted.
    """
    path = path / WEIGHTS_FILE if path.is_dir() else path
    try:
        with path.open("rb") as file:
            start = file.read(16)
    except FileNotFoundError:
        raise ValueError(f"There is no checkpoint at {path}.") from None
    # By content: a name can claim anything. torch.save writes ZIP files of pickles. A safetensors
    # file starts with the length of its header, whose first byte can be a pickle's, and then "{".
    pickled = start.startswith(b"\x80") and start[8:9] != b"{"
    if pickled or start.startswith(b"PK\x03\x04"):
        if not trust:
            raise ValueError(
                f"{path} is a pickle, which can run any code as it is read; if you know where it "
                "comes from, add --trust."
            )
        return _pickle(path)
    if path.suffix in (".onnx", SUFFIX):
        return _with_card(path)
    return _safetensors(path)


def _safetensors(path: Path) -> Inspection:
    try:
        with safe_open(path, framework="numpy") as file:
            shapes = [file.get_slice(name).get_shape() for name in file.keys()]  # noqa: SIM118
            metadata = dict(file.metadata() or {})
    except SafetensorError:
        raise ValueError(f"{path} is not a checkpoint: neither safetensors nor ONNX.") from None
    config = _config(metadata.get("config", ""))
    return Inspection(
        path,
        "weights (safetensors)",
        sum(math.prod(shape) for shape in shapes),
        len(shapes),
        config,
        {k: v for k, v in _json(metadata, "metrics").items() if isinstance(v, int | float)},
        _json(metadata, "environment"),
        _faults(metadata),
        "" if config else "The file carries no configuration that this version can read.",
    )


def _pickle(path: Path) -> Inspection:
    import torch

    try:
        saved = torch.load(path, map_location="cpu", weights_only=False)
    except (pickle.UnpicklingError, RuntimeError, EOFError, AttributeError, ImportError) as error:
        raise ValueError(f"{path} cannot be read ({type(error).__name__}).") from None
    if not isinstance(saved, dict):
        raise ValueError(f"{path} holds no checkpoint.")
    state = saved.get("state_dict", saved)
    tensors = [value for value in state.values() if isinstance(value, torch.Tensor)]
    own = saved.get(CHECKPOINT_KEY, {})
    epoch = {"epoch": float(saved["epoch"])} if "epoch" in saved else {}
    config = _config(own.get("config", ""))
    return Inspection(
        path,
        "training checkpoint (pickle, trusted)",
        sum(tensor.numel() for tensor in tensors),
        len(tensors),
        config,
        epoch,
        faults=_faults(own),
        note="" if config else "The file carries no configuration that this version can read.",
    )


def _with_card(path: Path) -> Inspection:
    """Inspect a model or an ensemble, by opening it as everybody does."""
    card = open_model(path, device="cpu", threads=1).card
    kind = "ensemble" if path.suffix == SUFFIX else f"model (ONNX, opset {card.opset})"
    return Inspection(
        path,
        f"{kind}, {card.name}",
        config=_config(json.dumps(card.training.get("config"))),
        metrics=card.validation,
        environment=card.training.get("environment", {}),
        note="The figures are those of the card, on validation.",
    )


def _config(text: str) -> TrainConfig | None:
    try:
        return TrainConfig.model_validate_json(text)
    except ValueError:
        return None


def _faults(metadata: Mapping[str, str]) -> tuple[str, ...]:
    try:
        return tuple(str(one) for one in json.loads(metadata.get("faults", "[]")[:_MAX_FAULTS]))
    except (ValueError, TypeError, RecursionError):
        return ("unreadable",)


def _json(metadata: Mapping[str, str], key: str) -> dict[str, Any]:
    text = metadata.get(key, "")
    try:
        found = json.loads(text) if len(text) < _MAX_HEADER_TEXT else {}
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
