"""Is there anything to see? Blank pictures and gradients are told by arithmetic, not by a model."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unmask.picture.decode import Pixels

_SIDE = 64
_LEFT_OVER = 1.5
"""Standard deviation, in grey levels, of what a smooth surface leaves unexplained.

Of 1,500 labelled pictures two lie below, both all but blank (0.3 and 0.8); the next have 3.1."""


def is_plain(pixels: Pixels) -> bool:
    """Say whether a picture is of one colour, or shades smoothly from one into another.

    Each channel, shrunk to 64 x 64 pixels, is compared with its best surface of second degree: a
    photograph leaves its details and its noise.

    Args:
        pixels: uint8 RGB, shape (height, width, 3).
    """
    image = Image.fromarray(pixels)
    small = np.asarray(image.resize((_SIDE, _SIDE), Image.Resampling.BOX, reducing_gap=2.0))
    values = small.reshape(-1, 3).astype(np.float64)
    surfaces = _surfaces()
    left = values - surfaces @ (surfaces.T @ values)
    return bool(np.sqrt(np.mean(left**2)) < _LEFT_OVER)


@cache
def _surfaces() -> NDArray[np.float64]:
    """Return an orthonormal base of all surfaces of second degree, shape (pixels, 6)."""
    y, x = np.mgrid[-1 : 1 : _SIDE * 1j, -1 : 1 : _SIDE * 1j].reshape(2, -1)
    surfaces = np.stack([np.ones_like(x), x, y, x * y, x * x, y * y], axis=1)
    return np.asarray(np.linalg.qr(surfaces)[0])
