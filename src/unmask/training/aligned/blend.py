"""Mix a reconstruction into its original, so that not only wholly generated pictures are learnt.

Whole pictures are what generators draw; regions are what in-painting and face editing change; and a
band of frequencies leaves the traces without the loss of detail that comes with them.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from PIL import Image, ImageFilter

from unmask.media.decode import Pixels

Blend = Literal["whole", "region", "band"]
SHARES: dict[Blend, float] = {"whole": 0.6, "region": 0.25, "band": 0.15}


def blend(
    original: Pixels, drawn: Pixels, rng: np.random.Generator, kind: Blend | None = None
) -> Pixels:
    """Return a fake made of ``drawn`` where it counts and of ``original`` elsewhere.

    Args:
        original: uint8, shape (height, width, 3).
        drawn: Its reconstruction or altered copy, of the same shape.
        rng: Source of all randomness.
        kind: Which mixture; drawn by `SHARES` if not given.
    """
    if kind is None:
        kind = rng.choice(list(SHARES), p=list(SHARES.values()))
    if kind == "whole":
        return drawn
    if kind == "region":
        mask = soft_region(original.shape[0], original.shape[1], rng)[..., None]
        mixed = mask * drawn + (1 - mask) * original
    else:
        radius = float(rng.uniform(1.0, 3.0))
        mixed = _low(original, radius) + drawn.astype(np.float32) - _low(drawn, radius)
    return np.asarray(np.clip(np.rint(mixed), 0, 255), dtype=np.uint8)


def soft_region(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Return a soft-edged ellipse somewhere in the picture, float32 (height, width) in [0, 1].

    Its axes are a third to nine tenths of the sides.
    """
    tall, wide = rng.uniform(0.33, 0.9, 2) / 2
    down, right = rng.uniform(0.3, 0.7, 2)
    rows = (np.arange(height, dtype=np.float32)[:, None] / height - down) / tall
    columns = (np.arange(width, dtype=np.float32)[None, :] / width - right) / wide
    # 1 in the middle, falling to 0 over the outer part of the ellipse.
    softness = rng.uniform(0.1, 0.5)
    return np.asarray(np.clip((1 - np.hypot(rows, columns)) / softness, 0, 1), dtype=np.float32)


def _low(pixels: Pixels, radius: float) -> np.ndarray:
    blurred = Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(radius))
    return np.asarray(blurred, dtype=np.float32)
