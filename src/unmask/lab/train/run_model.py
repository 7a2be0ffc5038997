"""A training run as a model: its best weights, run through PyTorch on the same views."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError

from unmask.lab.data.manifest import CATEGORIES
from unmask.lab.train.export import OPSET, load_run
from unmask.lab.train.train import WEIGHTS_FILE
from unmask.model.base import VIEWS_A_RUN, Answer, Device, ViewModel
from unmask.model.card import ModelCard, ModelError
from unmask.picture.views import Views, normalise


class Checkpoint(ViewModel):
    """The best weights of a training run.

    Its card lies beside the weights once the run was calibrated; until then calibration is the
    identity, and nothing is ``unsure``.
    """

    def __init__(self, path: Path, *, device: Device = "auto") -> None:
        """Load a run.

        Args:
            path: The run's folder, or the ``best.safetensors`` in it.
            device: ``auto`` takes a GPU where PyTorch finds one.

        Raises:
            ModelError: There is no finished run, the card is of other weights, or the device is
                not there.
        """
        run = path if path.is_dir() else path.parent
        self.path = run / WEIGHTS_FILE
        if not path.is_dir() and path.name != WEIGHTS_FILE:
            raise ModelError(f"{path} is neither a run's folder nor the {WEIGHTS_FILE} of one.")
        if device == "cuda" and not torch.cuda.is_available():
            raise ModelError("PyTorch finds no CUDA device.")
        self.device = "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"
        try:
            network, config = load_run(run)
        except (ValueError, RuntimeError, OSError, SafetensorError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".:")
            raise ModelError(f"The run {run} cannot be loaded: {reason}.") from None
        self._network = network.to(self.device, memory_format=torch.channels_last)
        digest = hashlib.sha256(self.path.read_bytes()).hexdigest()
        card = ModelCard.path_for(self.path)
        if card.is_file():
            self.card = ModelCard.read(card)
            if self.card.sha256 != digest:
                raise ModelError(
                    f"The card {card} is of other weights (SHA-256 differs); "
                    "calibrate the run again."
                )
        else:
            trained = datetime.fromtimestamp(self.path.stat().st_mtime, UTC)
            self.card = ModelCard(
                name=run.resolve().name,
                created=trained.date().isoformat(),
                sha256=digest,
                opset=OPSET,
                inputs=f"views of {config.views.size} pixels",
                outputs="real/fake logit, category logits",
                views=config.views,
                categories=CATEGORIES,
                licence="not stated",
                intended_use="A training run, not released.",
                training={"config": config.model_dump()},
            )

    def __call__(self, views: Views, counts: Sequence[int] | None = None) -> Answer:
        """Answer for views, as `ViewModel` says."""
        fake, category = [], []
        with torch.inference_mode():
            for start in range(0, len(views), VIEWS_A_RUN):
                part = normalise(views[start : start + VIEWS_A_RUN], self.card.scale)
                batch = torch.from_numpy(part).to(self.device, memory_format=torch.channels_last)
                fake_logit, category_logits = self._network(batch)
                fake.append(fake_logit.float().cpu().numpy())
                category.append(category_logits.float().cpu().numpy())
        return np.concatenate(fake), np.concatenate(category)
