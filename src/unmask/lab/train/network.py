"""The network: one backbone, a real/fake head and, for most, a category head."""

from __future__ import annotations

from typing import Literal, Self, cast

import torch
from torch import Tensor, nn

from unmask.lab.data.manifest import CATEGORIES
from unmask.lab.train.backbones import create_backbone
from unmask.lab.train.config import TrainConfig
from unmask.lab.train.heads import Classifier, SpatialAttention, create_head


class TwoHeadNetwork(nn.Module):
    """A backbone, pooled, under one or two heads.

    Attributes:
        backbone: Views, float32 (n, 3, size, size), to a feature map and pooled features.
        attention: Weighs the feature map before pooling; None for none.
        fake_head: Features to one logit, positive for fake.
        category_head: Features to a logit for each of `CATEGORIES`; None for a binary network.
        frozen: Whether the backbone keeps its weights and statistics while the heads train.
    """

    def __init__(
        self,
        backbone: nn.Module,
        *,
        dropout: float = 0.0,
        heads: Literal["both", "binary"] = "both",
        classifier: Classifier = "linear",
        attention: bool = False,
        frozen: bool = False,
    ) -> None:
        super().__init__()
        # Some of timm's backbones widen the features after pooling.
        channels = cast(int, getattr(backbone, "head_hidden_size", backbone.num_features))
        self.backbone = backbone
        self.attention = SpatialAttention(cast(int, backbone.num_features)) if attention else None
        self.dropout = nn.Dropout(dropout)
        self.fake_head = create_head(classifier, channels, 1)
        self.category_head = (
            create_head(classifier, channels, len(CATEGORIES)) if heads == "both" else None
        )
        self.frozen = frozen
        backbone.requires_grad_(not frozen)

    @property
    def categories(self) -> tuple[str, ...]:
        """Names of the category logits; empty for a binary network."""
        return CATEGORIES if self.category_head is not None else ()

    def train(self, mode: bool = True) -> Self:
        """Switch to training; a frozen backbone stays as it is, batch norm included."""
        super().train(mode)
        if self.frozen:
            self.backbone.eval()
        return self

    def feature_map(self, views: Tensor) -> Tensor:
        """Return the last feature map, (n, channels, h, w), weighted where there is attention."""
        features = cast(Tensor, self.backbone.forward_features(views))
        return features if self.attention is None else cast(Tensor, self.attention(features))

    def pool(self, feature_map: Tensor) -> Tensor:
        """Return the backbone's pooled features, (n, channels)."""
        return cast(Tensor, self.backbone.forward_head(feature_map, pre_logits=True))

    def classify(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits for pooled features, as `forward` does."""
        fake_logit = self.fake_head(features).squeeze(1)
        if self.category_head is None:
            return fake_logit, features.new_zeros(features.shape[0], 0)
        return fake_logit, self.category_head(features)

    def forward(self, views: Tensor) -> tuple[Tensor, Tensor]:
        """Return the fake logit, shape (n,), and the category logits, shape (n, categories)."""
        return self.classify(self.dropout(self.pool(self.feature_map(views))))

    def has_exact_maps(self, probe: Tensor) -> bool:
        """Whether class-activation maps are exact: linear heads over an average pooling.

        Args:
            probe: Any views; the pooling is tried on them.
        """
        if not isinstance(self.fake_head, nn.Linear):
            return False
        with torch.no_grad():
            features = self.feature_map(probe)
            pooled = self.pool(features)
        if features.ndim != 4 or features.shape[1] != pooled.shape[1]:
            return False
        return bool(torch.allclose(features.mean((2, 3)), pooled, atol=1e-4))


def create_network(
    backbone: str,
    pretrained: str = "none",
    dropout: float = 0.0,
    *,
    heads: Literal["both", "binary"] = "both",
    classifier: Classifier = "linear",
    attention: bool = False,
    frozen: bool = False,
    size: int = 224,
) -> TwoHeadNetwork:
    """Make a network.

    Args:
        backbone: A name of `unmask.lab.train.backbones`, or any timm model name.
        pretrained: ``bundled``, ``none``, ``timm``, or the path of a weights file.
        dropout: Before the heads.
        heads: ``both`` or ``binary``, which has no category head.
        classifier: What the heads are.
        attention: Weigh the feature map before pooling.
        frozen: Train the heads alone.
        size: Side of the views, in pixels.

    Raises:
        ValueError: The backbone or the weights do not exist, or do not fit each other.
    """
    return TwoHeadNetwork(
        create_backbone(backbone, pretrained, size),
        dropout=dropout,
        heads=heads,
        classifier=classifier,
        attention=attention,
        frozen=frozen,
    )


def network_for(config: TrainConfig, *, pretrained: bool = True) -> TwoHeadNetwork:
    """Make the network of a configuration, with its first weights unless others will replace them.

    Raises:
        ValueError: As `create_network` does.
    """
    return create_network(
        config.backbone,
        config.pretrained if pretrained else "none",
        config.dropout,
        heads=config.heads,
        classifier=config.classifier,
        attention=config.attention,
        frozen=config.freeze,
        size=config.views.size,
    )
