"""Self-blended faces: pseudo-fakes made from one real face (Shiohara and Yamasaki 2022).

A face is blended into itself through a soft mask, after one of the two copies was recoloured,
sharpened or blurred and moved by a few pixels. What remains are the traces of blending that swapped
faces have, and none of a certain generator.

The paper takes the mask from the convex hull of landmarks. Here no landmark model is needed: the
picture is a face crop, and the mask is an ellipse or a convex polygon about its middle, deformed at
random. It follows the face less closely than landmarks would.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

from unmask.picture.decode import Pixels

Mask = NDArray[np.float32]
_RATIOS = (0.25, 0.5, 0.75, 1.0, 1.0, 1.0)
"""How much of the altered copy shows within the mask, as in the paper."""


def self_blend(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Blend a face crop into itself.

    Args:
        pixels: uint8, shape (height, width, 3), a face about its middle.
        rng: Source of all randomness.

    Returns:
        uint8, the same shape; at least one pixel in a hundred differs.
    """
    height, width = pixels.shape[:2]
    altered = _alter(pixels, rng)
    source, target = (altered, pixels) if rng.random() < 0.5 else (pixels, altered)
    source = _move(source, rng)
    mask = face_mask(height, width, rng)[..., None] * np.float32(rng.choice(_RATIOS))
    mixed = source * mask + target * (1 - mask)
    return np.asarray(np.clip(np.rint(mixed), 0, 255), dtype=np.uint8)


def face_mask(height: int, width: int, rng: np.random.Generator) -> Mask:
    """Draw a soft mask about the middle, shape (height, width), in [0, 1]."""
    side = 128
    canvas = Image.new("L", (side, side))
    draw = ImageDraw.Draw(canvas)
    across, down = side * rng.uniform(0.22, 0.34), side * rng.uniform(0.28, 0.4)
    x, y = side * rng.uniform(0.46, 0.54), side * rng.uniform(0.48, 0.58)
    if rng.random() < 0.5:
        draw.ellipse((x - across, y - down, x + across, y + down), fill=255)
    else:
        # Points on an ellipse, in order of their angle, always have a convex outline.
        angles = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(8, 15))))
        outline = zip(x + across * np.cos(angles), y + down * np.sin(angles), strict=True)
        draw.polygon([(float(a), float(b)) for a, b in outline], fill=255)
    mask = _deform(np.asarray(canvas, dtype=np.float32) / np.float32(255), rng)
    soft = Image.fromarray(np.clip(mask * 255, 0, 255).astype(np.uint8))
    soft = soft.filter(ImageFilter.GaussianBlur(rng.uniform(1.0, 7.0)))
    smooth = soft.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(smooth, dtype=np.float32) / np.float32(255)


def _deform(mask: Mask, rng: np.random.Generator) -> Mask:
    """Move every point of a mask by a smooth random field (elastic deformation)."""
    from scipy.ndimage import gaussian_filter, map_coordinates

    reach = rng.uniform(2.0, 6.0)
    fields = []
    for _ in range(2):
        field = gaussian_filter(rng.uniform(-1, 1, mask.shape), sigma=9.0)
        fields.append(reach * field / (np.abs(field).max() + 1e-9))
    rows, columns = np.indices(mask.shape)
    moved = map_coordinates(mask, [rows + fields[0], columns + fields[1]], order=1)
    return np.asarray(moved, dtype=np.float32)


def _alter(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    shifted = pixels.astype(np.float32) + rng.uniform(-20, 20, 3)
    image = Image.fromarray(np.clip(shifted, 0, 255).astype(np.uint8))
    image = ImageEnhance.Brightness(image).enhance(rng.uniform(0.9, 1.1))
    image = ImageEnhance.Contrast(image).enhance(rng.uniform(0.9, 1.1))
    image = ImageEnhance.Color(image).enhance(rng.uniform(0.7, 1.3))
    if rng.random() < 0.5:
        image = image.filter(ImageFilter.UnsharpMask(2, int(rng.integers(50, 200)), 2))
    else:
        scale = int(rng.integers(2, 5))
        small = (max(1, image.width // scale), max(1, image.height // scale))
        image = image.resize(small, Image.Resampling.BOX).resize(image.size)
    return np.asarray(image)


def _move(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Shift by up to 3% and zoom by up to 5%; at the edges the picture itself stays."""
    height, width = pixels.shape[:2]
    zoom = rng.uniform(0.95, 1.05, 2)
    shift = rng.uniform(-0.03, 0.03, 2) * (width, height)
    # Pillow maps from output to input: about the middle, then the shift.
    middle = np.array([width, height]) / 2
    offset = middle - zoom * middle - shift
    coefficients = (zoom[0], 0.0, offset[0], 0.0, zoom[1], offset[1])
    image = Image.fromarray(pixels)
    moved = image.transform(
        image.size, Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR
    )
    inside = Image.new("L", image.size, 255).transform(
        image.size, Image.Transform.AFFINE, coefficients, Image.Resampling.NEAREST
    )
    return np.where(np.asarray(inside)[..., None] > 0, np.asarray(moved), pixels)
