"""From the pixels of views to the numbers that a network was made for."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

InputScale = Literal["symmetric", "unit", "imagenet"]
"""Which numbers a network sees for the values 0 to 255.

``symmetric``: -1 to 1, as EfficientNet-Lite0 and Xception were made for; ``unit``: 0 to 1;
``imagenet``: less the mean of ImageNet's channels, by their standard deviation.
"""
_MEAN, _DEVIATION = torch.tensor((0.485, 0.456, 0.406)), torch.tensor((0.229, 0.224, 0.225))
_SCALES: dict[InputScale, tuple[Tensor, Tensor]] = {
    "symmetric": (torch.tensor((127.5,)), torch.tensor((1.0,))),
    "unit": (torch.tensor((255.0,)), torch.tensor((0.0,))),
    "imagenet": (255 * _DEVIATION, _MEAN / _DEVIATION),
}
"""By what the values are divided, and what is then taken off."""


def normalise(views: Tensor, scale: InputScale) -> Tensor:
    """Turn views into a network's input.

    Args:
        views: Shape (n, size, size, 3), values 0 to 255.
        scale: Which numbers the network was made for; a run's configuration names it.

    Returns:
        float32, shape (n, 3, size, size), in [-1, 1] for ``symmetric``, [0, 1] for ``unit``.
    """
    divisor, offset = (part.to(views.device).view(-1, 1, 1) for part in _SCALES[scale])
    return views.permute(0, 3, 1, 2).float().contiguous() / divisor - offset
