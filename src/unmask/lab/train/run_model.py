"""A training run as a model: its best weights, run through PyTorch on the views of its card."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from math import isqrt
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import Tensor, nn

from unmask.lab.train.artefacts import WEIGHTS_FILE
from unmask.lab.train.export import OPSET
from unmask.lab.train.finished import load_run
from unmask.lab.train.normalise import normalise
from unmask.lab.train.picture_network import VIEWS, PictureNetwork
from unmask.model.card import ModelCard, ModelError
from unmask.model.model import Device, Model, ModelOutput
from unmask.picture.views import PictureViews

DERIVATIVES = ("gradcam", "gradcam++", "smoothgradcam++")
"""Heatmaps by derivatives (Selvaraju et al. 2017, Chattopadhyay et al. 2018, Omeiza et al. 2019).

On a linear head over average-pooled features Grad-CAM is CAM without its negative half.
"""
NOISE = 6.375
"""Standard deviation of SmoothGrad's noise, in grey levels of 0 to 255.

SmoothGrad's own tenth of the range or more would drown the traces that a forensic model looks for.
"""
COPIES = 8
# torchcam draws its own noise and allows no zero; ours is added before it is called.
_NO_NOISE = 1e-12
_LAST = "last"


class RunModel(Model):
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
        self._model = PictureNetwork(network, config).eval().to(self.device)
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
                inputs={VIEWS: config.views},
                categories=network.categories,
                licence="not stated",
                intended_use="A training run, not released.",
                training={"config": config.model_dump()},
            )

    @property
    def has_maps(self) -> bool:
        """Whether it can say exactly where its logits come from."""
        return bool(self._model.has_maps)

    @property
    def methods(self) -> tuple[str, ...]:
        """By which methods its answers can be explained, the best first."""
        *exact, last = super().methods
        return (*exact, *DERIVATIVES, last)

    def answer(self, pictures: Sequence[PictureViews], *, maps: bool = False) -> list[ModelOutput]:
        """Answer for pictures, as `Model` says."""
        return [self._answer(picture, maps) for picture in pictures]

    def _answer(self, picture: PictureViews, maps: bool) -> ModelOutput:
        with torch.inference_mode():
            found = self._model.answer(self._tensor(picture)[None])
        return ModelOutput(
            logit=float(found.logit[0]),
            category_logits=found.category_logits[0].cpu().numpy(),
            view_logits=found.view_logits[0].cpu().numpy(),
            maps=found.maps[0].cpu().numpy() if maps and found.maps is not None else None,
        )

    def explain_views(self, views: PictureViews, head_row: int, method: str) -> NDArray[np.float32]:
        """Return a class-activation map of each view by torchcam, whatever the backbone.

        Args:
            views: The picture's views.
            head_row: Which logit: 0 for the fake one, 1 and on for the categories.
            method: One of `DERIVATIVES`.

        Returns:
            Shape (views, rows, columns), on the scale of CAM, without its negative half.

        Raises:
            ModelError: There is no such method.
            ValueError: The network's last features are no map.
        """
        if method not in DERIVATIVES:
            raise ModelError(f"{self.card.name} cannot be explained by '{method}'.")
        tapped = _TappedNetwork(self._model).eval()
        # A frozen backbone has nothing else that could carry a gradient to its features.
        pixels = self._tensor(views).float().requires_grad_()
        make = _grad_cam if method == "gradcam" else _grad_cam_plus_plus
        if method != "smoothgradcam++":
            return make(tapped, pixels, head_row)
        rng = np.random.default_rng(0)
        noise = [rng.standard_normal(pixels.shape, dtype=np.float32) for _ in range(COPIES)]
        copies = (pixels + NOISE * torch.from_numpy(one).to(self.device) for one in noise)
        found = [make(tapped, copy, head_row) for copy in copies]
        return np.asarray(np.mean(found, axis=0), dtype=np.float32)

    def _tensor(self, views: PictureViews) -> Tensor:
        return torch.tensor(views[VIEWS], device=self.device)


class _TappedNetwork(nn.Module):
    """A network as one row of logits, with its last features to be looked at by torchcam."""

    def __init__(self, model: PictureNetwork) -> None:
        super().__init__()
        self.model, self.last = model, nn.Identity()

    def forward(self, views: Tensor) -> Tensor:
        """Return all logits of views (n, size, size, 3), the fake one first, (n, heads)."""
        network = self.model.network
        inputs = normalise(views, self.model.config.scale)
        features = self.last(network.feature_map(inputs))
        fake, category = network.classify(network.pool(features))
        return torch.cat((fake[:, None], category), 1)

    def as_map(self, features: Tensor) -> Tensor:
        """Return features of any layout (channels last, or tokens) as (n, channels, rows, columns).

        Raises:
            ValueError: They are no map: their number is no square.
        """
        backbone = self.model.network.backbone
        channels = cast(int, backbone.num_features)
        if features.ndim == 4:
            last = features.shape[1] != channels and features.shape[3] == channels
            return features.permute(0, 3, 1, 2) if last else features
        tokens = features[:, cast(int, getattr(backbone, "num_prefix_tokens", 0)) :]
        side = isqrt(tokens.shape[1])
        if features.ndim != 3 or side * side != tokens.shape[1]:
            raise ValueError("The last features of this network are no map that could be shown.")
        return tokens.transpose(1, 2).unflatten(2, (side, side))


def _grad_cam(tapped: _TappedNetwork, views: Tensor, row: int) -> NDArray[np.float32]:
    from torchcam.methods import GradCAM

    with GradCAM(tapped, _LAST, reshape_transform=tapped.as_map) as maps:
        (found,) = maps(row, tapped(views), normalized=False)
    # The gradient of a mean is a P-th of that of a sum: to the scale of CAM.
    return np.asarray(found.cpu().numpy() * found[0].numel(), dtype=np.float32)


def _grad_cam_plus_plus(tapped: _TappedNetwork, views: Tensor, row: int) -> NDArray[np.float32]:
    """Return Grad-CAM++, as SmoothGrad-CAM++ of one copy without noise.

    torchcam 0.5's own GradCAMpp divides a copy of its weights by their denominator and so leaves
    them as they were; its SmoothGradCAMpp is right.
    """
    from torchcam.methods import SmoothGradCAMpp

    options = {"num_samples": 1, "std": _NO_NOISE, "reshape_transform": tapped.as_map}
    with SmoothGradCAMpp(tapped, _LAST, **options) as maps:
        tapped(views)
        (found,) = maps(row, normalized=False)
    return np.asarray(found.cpu().numpy(), dtype=np.float32)
