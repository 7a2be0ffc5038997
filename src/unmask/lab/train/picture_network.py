"""A network as it answers for pictures: normalised, view by view, and pooled."""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from unmask.lab.train.config import TrainConfig
from unmask.lab.train.network import TwoHeadNetwork
from unmask.lab.train.normalise import normalise
from unmask.model.onnx_model import CATEGORIES, LOGIT, MAPS, VIEW_LOGITS

VIEWS = "views"
"""The one input: uint8, shape (pictures, views, size, size, 3), RGB."""


class PictureAnswers(NamedTuple):
    """What is said of pictures, as `unmask.model.onnx_model` has it.

    Attributes:
        logit: Shape (pictures,).
        category_logits: Shape (pictures, categories).
        view_logits: Shape (pictures, views).
        maps: Shape (pictures, 1 + categories, views, rows, columns); None for a network without.
    """

    logit: Tensor
    category_logits: Tensor
    view_logits: Tensor
    maps: Tensor | None


class PictureNetwork(nn.Module):
    """What a training run's model computes, in PyTorch and in the ONNX file that it becomes.

    Linear heads over an average pooling have exact class-activation maps: the logit is the mean
    over places of weights times features, plus a bias (Zhou et al. 2016).

    Attributes:
        network: The network.
        config: What it was trained with.
        has_maps: Whether its maps are exact.
    """

    def __init__(self, network: TwoHeadNetwork, config: TrainConfig) -> None:
        super().__init__()
        self.network, self.config = network, config
        size = config.views.size
        self.has_maps = network.has_exact_maps(torch.zeros(1, 3, size, size))

    @property
    def outputs(self) -> list[str]:
        """The names of what `forward` returns, as the ONNX file has them."""
        return [LOGIT, CATEGORIES, VIEW_LOGITS, *([MAPS] if self.has_maps else [])]

    def forward(self, views: Tensor) -> tuple[Tensor, ...]:
        """Answer for pictures with equally many views, uint8 (pictures, views, size, size, 3)."""
        found = self.answer(views)
        return found[:3] if found.maps is None else tuple(cast(tuple[Tensor, ...], found))

    def answer(self, views: Tensor) -> PictureAnswers:
        """Answer likewise."""
        pictures, count = views.shape[:2]
        network, categories = self.network, len(self.network.categories)
        inputs = normalise(views.flatten(0, 1), self.config.scale)
        features = network.feature_map(inputs)
        fake, category = network.classify(network.pool(features))
        view_logits = fake.view(pictures, count)
        if categories:
            category_logits = category.view(pictures, count, categories).mean(1)
        else:
            category_logits = fake.new_zeros(pictures, 0)
        maps = None
        if self.has_maps:
            by_view = torch.einsum("nkij,hk->nhij", features, self._head_weights())
            maps = by_view.unflatten(0, (pictures, count)).transpose(1, 2)
        return PictureAnswers(view_logits.mean(1), category_logits, view_logits, maps)

    def _head_weights(self) -> Tensor:
        """Return the weights of the linear heads, the real/fake one first, (heads, channels)."""
        heads = [self.network.fake_head]
        if self.network.category_head is not None:
            heads.append(self.network.category_head)
        return torch.cat([cast(nn.Linear, head).weight for head in heads])
