"""Explain a trained PyTorch network, whatever its backbone, with torchcam; needs the train extra.

torchcam (Apache-2.0) differentiates where `methods` knows the derivatives. On a linear head over
average-pooled features the two agree, which is tested.
"""

from __future__ import annotations

from math import isqrt
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torchcam.methods import GradCAM, SmoothGradCAMpp

from unmask.detector.detector import Picture, read_pixels
from unmask.heatmap.explainer import FAKE, Head, check_choice, compose, target_row
from unmask.heatmap.explanation import Explanation
from unmask.heatmap.methods import Method, class_activation, noisy_copies
from unmask.heatmap.spread import Cells
from unmask.lab.train.finished import load_run
from unmask.lab.train.network import TwoHeadNetwork
from unmask.picture.decode import DEFAULT_LIMITS, Limits
from unmask.picture.views import make_views, normalise

# torchcam draws its own noise and allows no zero; ours is added before it is called.
_NO_NOISE = 1e-12
_LAST = "last"


class RunExplainer:
    """Explains the network of a training run.

    Args:
        run: The run's folder, or a file in it.
        limits: What one picture may cost.

    Raises:
        ValueError: There is no finished run.
    """

    def __init__(self, run: Path, limits: Limits = DEFAULT_LIMITS) -> None:
        network, config = load_run(run.parent if run.is_file() else run)
        self.network = _Opened(network).eval()
        self._plan, self._scale, self._limits = config.views, config.scale, limits

    def explain(
        self,
        picture: Picture,
        *,
        head: Head = "fake",
        method: Method = "gradcam",
        category: str | None = None,
    ) -> Explanation:
        """Explain one logit of the network; arguments and errors as for `unmask.heatmap.explain`.

        Raises:
            ValueError: ``cam`` is asked of a network without average pooling under a linear head.
        """
        categories = self.network.categories
        check_choice(head, method, category, categories)
        pixels = read_pixels(picture, self._limits)
        inputs = normalise(make_views(pixels, self._plan), self._scale)
        with torch.inference_mode():
            logits = self.network(torch.from_numpy(inputs)).mean(0).numpy()
        row = target_row(logits, head, category, categories)
        if method == "cam":
            cells = self._exact(inputs, row)
        elif method == "smoothgradcam++":
            cells = np.mean([self._plus_plus(copy, row) for copy in noisy_copies(inputs)], axis=0)
        else:
            map_of = self._plus_plus if method == "gradcam++" else self._grad_cam
            cells = map_of(inputs, row)
        target = (FAKE, *categories)[row]
        return compose(head, target, method, float(logits[row]), cells, pixels, self._plan)

    def _exact(self, inputs: NDArray[np.float32], row: int) -> Cells:
        views = torch.from_numpy(inputs)
        if not self.network.has_exact_maps(views):
            raise ValueError(
                "cam needs a linear head on average-pooled features, which this network has not; "
                "take --method gradcam."
            )
        with torch.inference_mode():
            features = self.network.features(views).numpy()
        return class_activation(features, self.network.weights(row).numpy(), "cam")

    def _grad_cam(self, inputs: NDArray[np.float32], row: int) -> Cells:
        views = torch.from_numpy(inputs)
        with GradCAM(self.network, _LAST, reshape_transform=self.network.as_map) as maps:
            (found,) = maps(row, self.network(views), normalized=False)
        # The gradient of a mean is a P-th of that of a sum: to the scale of CAM.
        return np.asarray(found.numpy() * found[0].numel(), dtype=np.float32)

    def _plus_plus(self, inputs: NDArray[np.float32], row: int) -> Cells:
        """Grad-CAM++, as SmoothGrad-CAM++ of one copy without noise.

        torchcam 0.5's own GradCAMpp divides a copy of its weights by their denominator and so
        leaves them as they were; its SmoothGradCAMpp is right.
        """
        views = torch.from_numpy(inputs)
        options = {"num_samples": 1, "std": _NO_NOISE, "reshape_transform": self.network.as_map}
        with SmoothGradCAMpp(self.network, _LAST, **options) as maps:
            self.network(views)
            (found,) = maps(row, normalized=False)
        return np.asarray(found.numpy(), dtype=np.float32)


class _Opened(nn.Module):
    """A network as one column of logits, with its last features to be looked at."""

    def __init__(self, network: TwoHeadNetwork) -> None:
        super().__init__()
        self.network = network
        self.last = nn.Identity()
        self.categories = network.categories
        self.has_exact_maps = network.has_exact_maps

    def forward(self, views: Tensor) -> Tensor:
        """Return all logits, the fake one first, shape (n, 1 + categories)."""
        fake, category = self.network.classify(self.network.pool(self.features(views)))
        return torch.cat((fake[:, None], category), 1)

    def features(self, views: Tensor) -> Tensor:
        """Return the last features before they are pooled, in the backbone's own layout."""
        found: Tensor = self.last(self.network.feature_map(views))
        return found

    def weights(self, row: int) -> Tensor:
        """Return the weights of a linear head's output, shape (channels,)."""
        head = self.network.category_head if row else self.network.fake_head
        found: Tensor = cast(nn.Linear, head).weight.detach()[max(0, row - 1)]
        return found

    def as_map(self, features: Tensor) -> Tensor:
        """Return features of any layout (channels last, or tokens) as (n, channels, rows, columns).

        Raises:
            ValueError: They are no map: their number is no square.
        """
        channels = cast(int, self.network.backbone.num_features)
        if features.ndim == 4:
            last = features.shape[1] != channels and features.shape[3] == channels
            return features.permute(0, 3, 1, 2) if last else features
        tokens = features[:, cast(int, getattr(self.network.backbone, "num_prefix_tokens", 0)) :]
        side = isqrt(tokens.shape[1])
        if features.ndim != 3 or side * side != tokens.shape[1]:
            raise ValueError("The last features of this network are no map that could be shown.")
        return tokens.transpose(1, 2).unflatten(2, (side, side))
