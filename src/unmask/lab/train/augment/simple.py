"""The presets of most published systems: whole pictures, moved, cropped and recoloured.

Unlike `forensic` they leave compression and sharpness as they are, and with them the shortcuts that
these make; they stand here to be compared.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import torch

from unmask.picture.decode import Pixels
from unmask.picture.views import resize_shorter, whole_view

_MARGIN = 8 / 7
"""Resized to 256 to crop 224, and so on for other sizes."""


def plain_view(pixels: Pixels, size: int, seed: int) -> Pixels:
    """Return the whole picture, shrunk, flipped in half of the draws."""
    view = whole_view(pixels, size)
    flip = np.random.default_rng(seed).random() < 0.5
    return np.ascontiguousarray(view[:, ::-1] if flip else view)


def light_view(pixels: Pixels, size: int, seed: int) -> Pixels:
    """Rotate by up to 10 degrees, shift and zoom by up to 5%, shear by up to 0.05 rad, and flip.

    What comes in from beyond the edge is the picture's own mirror image.
    """
    return _run(_light(size), whole_view(pixels, size), seed)


def standard_view(pixels: Pixels, size: int, seed: int) -> Pixels:
    """Crop 80 to 100% of the picture at random, resize, flip and recolour.

    Resized first to 8/7 of the view; colours by up to 0.2 in brightness and contrast, 0.1 in
    saturation and hue.
    """
    return _run(_standard(size), resize_shorter(pixels, round(size * _MARGIN)), seed)


PRESETS: dict[str, Callable[[Pixels, int, int], Pixels]] = {
    "none": plain_view,
    "light": light_view,
    "standard": standard_view,
}


@cache
def _light(size: int) -> Any:
    from torchvision.transforms import InterpolationMode, v2

    border = size // 4
    return v2.Compose(
        [
            v2.Pad(border, padding_mode="reflect"),
            v2.RandomAffine(
                degrees=10,
                # Shares of the padded picture, which is half as large again.
                translate=(0.05 / 1.5, 0.05 / 1.5),
                scale=(0.95, 1.05),
                shear=float(np.degrees(0.05)),
                interpolation=InterpolationMode.BILINEAR,
            ),
            v2.CenterCrop(size),
            v2.RandomHorizontalFlip(),
        ]
    )


@cache
def _standard(size: int) -> Any:
    from torchvision.transforms import v2

    return v2.Compose(
        [
            v2.RandomResizedCrop(size, scale=(0.8, 1.0), antialias=True),
            v2.RandomHorizontalFlip(),
            v2.ColorJitter(brightness=0.2, contrast=0.2, saturation=0.1, hue=0.1),
        ]
    )


def _run(transform: Any, pixels: Pixels, seed: int) -> Pixels:
    planes = torch.from_numpy(pixels.transpose(2, 0, 1).copy())
    # torchvision draws from the global generator alone.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        changed = transform(planes)
    return np.ascontiguousarray(changed.numpy().transpose(1, 2, 0))
