"""A small convolutional network, trained from nothing."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

_CHANNELS = (32, 64, 128)
_UNITS = 128


class ScratchCNN(nn.Module):
    """Three convolutions of 3 x 3 (32, 64, 128 channels), each with ReLU and max-pool; dense 128.

    The feature map is flattened and not pooled, so that the network takes views of one size, and
    no class-activation map of it is exact. It has timm's interface.

    Args:
        size: Side of the views, in pixels.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        side = size // 2 ** len(_CHANNELS)
        steps: list[nn.Module] = []
        before = 3
        for channels in _CHANNELS:
            steps += [nn.Conv2d(before, channels, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
            before = channels
        self.features = nn.Sequential(*steps)
        self.dense = nn.Sequential(
            nn.Flatten(), nn.Linear(before * side * side, _UNITS), nn.ReLU(), nn.Dropout(0.5)
        )
        self.num_features = _UNITS

    def forward_features(self, views: Tensor) -> Tensor:
        """Return the feature map, (n, 128, size / 8, size / 8), for views (n, 3, size, size)."""
        return cast(Tensor, self.features(views))

    def forward_head(self, features: Tensor, pre_logits: bool = True) -> Tensor:
        """Return (n, 128); there is no classifier to leave out."""
        # channels_last memory has no flat view.
        return cast(Tensor, self.dense(features.contiguous()))

    def forward(self, views: Tensor) -> Tensor:
        """Return (n, 128) for views (n, 3, size, size)."""
        return self.forward_head(self.forward_features(views))
