"""Pictures that the tests make for themselves."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image


def picture(width: int = 96, height: int = 80, seed: int = 0) -> Image.Image:
    """Return a smooth colourful picture, a different one for each seed."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def encode(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    """Encode a picture in a Pillow format."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()
