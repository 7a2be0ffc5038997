"""Alter a region of a photo as an editor would: pseudo-fakes from the photo itself.

After self-blended images (Shiohara and Yamasaki 2022): a copy that was resized, moved, sharpened
or recoloured is blended into the original within a soft region. What remains to be seen is the
seam and the difference in sharpness, which is what retouched and swapped faces show too. Without
landmarks: the region is an ellipse.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from unmask.media.decode import Pixels
from unmask.training.aligned.blend import blend


def self_blend(original: Pixels, rng: np.random.Generator) -> Pixels:
    """Return the picture with a region replaced by an altered copy of itself.

    Args:
        original: uint8, shape (height, width, 3).
        rng: Source of all randomness.
    """
    return blend(original, _altered(original, rng), rng, "region")


def _altered(original: Pixels, rng: np.random.Generator) -> Pixels:
    height, width = original.shape[:2]
    image = Image.fromarray(original)
    if rng.random() < 0.5:
        scale = rng.uniform(0.4, 0.9)
        small = (max(8, round(width * scale)), max(8, round(height * scale)))
        image = image.resize(small, Image.Resampling.BILINEAR)
        image = image.resize((width, height), Image.Resampling.BICUBIC)
    elif rng.random() < 0.5:
        image = image.filter(ImageFilter.UnsharpMask(rng.uniform(1, 3), int(rng.integers(60, 160))))
    # A slight zoom, shift, turn and stretch about the centre: what was edited no longer lines up.
    stretch_x, stretch_y = 1 + rng.uniform(-0.06, 0.06, 2)
    turn = rng.uniform(-0.05, 0.05)
    move_x, move_y = rng.uniform(-0.02, 0.02, 2) * (width, height)
    centre_x, centre_y = width / 2, height / 2
    matrix = (
        stretch_x, turn, centre_x - stretch_x * centre_x - turn * centre_y + move_x,
        -turn, stretch_y, centre_y + turn * centre_x - stretch_y * centre_y + move_y,
    )  # fmt: skip
    image = image.transform(
        (width, height), Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC
    )
    for kind in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        image = kind(image).enhance(rng.uniform(0.85, 1.15))
    return np.asarray(image)
