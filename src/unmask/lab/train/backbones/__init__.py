"""Backbones by name: timm's, and one of our own where timm has none."""

from __future__ import annotations

import timm
from torch import nn

from unmask.lab.train.backbones.scratch import ScratchCNN
from unmask.lab.train.backbones.weights import load_bundled, load_file

SCRATCH = "cnn"
NAMES = {
    "xception": "legacy_xception",
    "resnet50": "resnet50",
    "mobilenetv2": "mobilenetv2_100",
    "efficientnet-b0": "efficientnet_b0",
    "efficientnetv2": "tf_efficientnetv2_b0",
    "efficientnet-lite0": "tf_efficientnet_lite0",
}
"""Plain names of backbones and what timm calls them; `SCRATCH` is our own."""


def create_backbone(name: str, pretrained: str, size: int) -> nn.Module:
    """Make a backbone without a classifier, with timm's ``forward_features`` and ``forward_head``.

    Args:
        name: One of `NAMES`, `SCRATCH`, or any timm model name.
        pretrained: ``bundled``, ``none``, ``timm``, or the path of a weights file.
        size: Side of the views, in pixels; only `SCRATCH` depends on it.

    Returns:
        A module with ``num_features``, the channels of what ``forward_head`` returns.

    Raises:
        ValueError: The backbone or the weights do not exist, or do not fit each other.
    """
    model = ScratchCNN(size) if name == SCRATCH else _create_timm(name, pretrained)
    if pretrained == "bundled":
        load_bundled(model, timm_name(name))
    elif pretrained == "timm":
        if name == SCRATCH:
            raise ValueError("There are no weights for the backbone 'cnn'; set pretrained=none.")
    elif pretrained != "none":
        load_file(model, pretrained)
    return model


def timm_name(name: str) -> str:
    """Return what timm calls a backbone; `SCRATCH` keeps its name."""
    return NAMES.get(name, name)


def _create_timm(name: str, pretrained: str) -> nn.Module:
    from difflib import get_close_matches

    chosen = timm_name(name)
    if chosen not in timm.list_models():
        near = get_close_matches(name, [*NAMES, SCRATCH, *timm.list_models()], n=1, cutoff=0.0)
        raise ValueError(f"timm has no backbone named '{name}'; the nearest is '{near[0]}'.")
    try:
        return timm.create_model(chosen, pretrained=pretrained == "timm", num_classes=0)
    except Exception as error:  # The hub's, the network's and timm's errors have no common base.
        if pretrained != "timm":
            raise
        raise ValueError(
            f"The weights of {name} could not be downloaded ({_first_line(error)}); name a file "
            "with pretrained=FILE, or start from random weights with pretrained=none."
        ) from None


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:120]
