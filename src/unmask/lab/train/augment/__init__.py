"""From a decoded picture to a random training view, by one of several named presets."""

from __future__ import annotations

import numpy as np

from unmask.lab.train.augment import forensic, simple
from unmask.lab.train.config import TrainConfig
from unmask.picture.decode import Pixels


def training_view(pixels: Pixels, config: TrainConfig, seed: int) -> Pixels:
    """Draw one random view of a picture.

    The same seed draws the same treatment, so that a picture and its altered twin of the same size
    get the same crop, re-encoding and noise, and differ by the alteration alone.

    Args:
        pixels: uint8, shape (height, width, 3).
        config: Names the preset and the size of the view.
        seed: Source of all randomness.

    Returns:
        uint8, shape (size, size, 3).
    """
    size = config.views.size
    if config.augmentation == "forensic":
        return forensic.forensic_view(
            pixels,
            size,
            np.random.default_rng(seed),
            whole_share=config.whole_share,
            degraded_share=config.degraded_share,
        )
    return simple.PRESETS[config.augmentation](pixels, size, seed)
