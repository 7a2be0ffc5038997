"""What sits on a backbone: attention over its feature map, and classifiers."""

from __future__ import annotations

from typing import Literal, cast

from torch import Tensor, nn

Classifier = Literal["linear", "dense", "regularised"]


class SpatialAttention(nn.Module):
    """Weighs every position of a feature map by a learned number in (0, 1).

    1 x 1 convolution to 512 channels, ReLU, 1 x 1 convolution to one, sigmoid; multiplied onto the
    map before pooling.

    Args:
        channels: Of the feature map.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weigh = nn.Sequential(
            nn.Conv2d(channels, 512, 1), nn.ReLU(), nn.Conv2d(512, 1, 1), nn.Sigmoid()
        )

    def forward(self, features: Tensor) -> Tensor:
        """Return the weighted map, of the same shape, for features (n, channels, h, w)."""
        return features * cast(Tensor, self.weigh(features))


def create_head(kind: Classifier, channels: int, outputs: int) -> nn.Module:
    """Make a classifier over pooled features (n, channels), giving logits (n, outputs).

    Args:
        kind: ``linear``; ``dense``: 64 units, ReLU, dropout 0.4; ``regularised``: dropout 0.5, 1024
            units, batch norm, ReLU, dropout 0.4, 256 units, batch norm, ReLU.
        channels: Of the features.
        outputs: Number of logits.
    """
    if kind == "dense":
        return nn.Sequential(
            nn.Linear(channels, 64), nn.ReLU(), nn.Dropout(0.4), nn.Linear(64, outputs)
        )
    if kind == "regularised":
        return nn.Sequential(
            nn.Dropout(0.5), nn.Linear(channels, 1024), nn.BatchNorm1d(1024), nn.ReLU(),
            nn.Dropout(0.4), nn.Linear(1024, 256), nn.BatchNorm1d(256), nn.ReLU(),
            nn.Linear(256, outputs),
        )  # fmt: skip
    return nn.Linear(channels, outputs)
